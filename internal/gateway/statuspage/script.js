"use strict";
// Everything is shown by textContent: nothing in the status can become markup.
const every = 2000, most = 500; // milliseconds between looks, rows of the table
const byId = (id) => document.getElementById(id);
let status, since;

function element(name, text, className) {
	const e = document.createElement(name);
	if (text !== undefined) e.textContent = text;
	if (className) e.className = className;
	return e;
}

const number = (n) => n.toLocaleString();
const time = (t) => new Date(t).toLocaleString();
const words = (...all) => all.filter(Boolean).join(", ");

function usage(name, u) {
	if (!u || !u.used && !u.limit) return "";
	const limit = u.limit ? " of " + number(u.limit) : "";
	const reset = u.limit && u.used >= u.limit && u.resets_at ? " until " + time(u.resets_at) : "";
	return name + " " + number(u.used) + limit + reset;
}

function model(m) {
	const line = element("div", undefined, "model");
	line.append(element("span", m.model));
	if (m.state !== "ready") line.append(element("span", words(m.state, m.reason, m.until && "until " + time(m.until)), m.state));
	for (const text of [usage("rpm", m.rpm), usage("rpd", m.rpd), usage("tpm", m.tpm)]) {
		if (text) line.append(element("span", text));
	}
	return line;
}

function account(a) {
	const row = element("tr"), models = element("td");
	models.append(...a.models.map(model));
	const left = a.token.expires_in;
	row.append(
		element("td", a.index), element("td", a.label), element("td", a.quota_group),
		element("td", words(a.state, a.reason), a.state),
		element("td", a.token.cached ? (left ? Math.ceil(left / 60) + " min" : "yes") : "no"),
		element("td", number(a.requests)), element("td", number(a.errors)), element("td", number(a.in_flight)), models,
	);
	return row;
}

function overloaded(m) {
	return element("li", words(m.model, m.state, m.until && "until " + time(m.until)), m.state);
}

function show() {
	const pool = [["Accounts", "accounts"], ["Ready", "ready"], ["Cooling", "cooling"], ["Disabled", "disabled"],
		["Tokens at hand", "cached_tokens"], ["In flight", "in_flight"], ["Waiting", "queued"]];
	byId("pool").replaceChildren(...pool.map(([name, field]) => {
		const pair = element("div");
		pair.append(element("dt", name), element("dd", number(status.pool[field])));
		return pair;
	}));
	byId("notes").replaceChildren(...(status.notes || []).map((note) => element("li", note)));
	const full = (status.models || []).filter((m) => m.state !== "ready");
	byId("overloaded").hidden = full.length === 0;
	byId("overloaded").lastElementChild.replaceChildren(...full.map(overloaded));

	const wanted = byId("filter").value.trim().toLowerCase();
	const found = status.accounts.filter((a) =>
		[a.label, a.quota_group, a.state, a.backend, ...a.models.map((m) => m.model)].some((text) => text.toLowerCase().includes(wanted)));
	byId("accounts").replaceChildren(...found.slice(0, most).map(account));
	byId("more").textContent = found.length > most ? "and " + number(found.length - most) + " more" : "";
}

async function look() {
	try {
		const answer = await fetch(location.href, { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(10000) });
		if (!answer.ok) throw new Error("the gateway answered " + answer.status);
		status = await answer.json();
		since = new Date();
		byId("state").textContent = "as of " + since.toLocaleTimeString();
		byId("state").className = "";
		show();
	} catch (problem) {
		byId("state").textContent = problem.message + (since ? "; this is as of " + since.toLocaleTimeString() : "");
		byId("state").className = "failed";
	}
	document.body.classList.toggle("stale", byId("state").className === "failed");
}

// One look after another, and none while nobody looks.
async function watch() {
	if (!document.hidden) await look();
	setTimeout(watch, every);
}

byId("filter").addEventListener("input", () => status && show());
watch();
