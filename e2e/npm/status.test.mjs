import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JSDOM, VirtualConsole } from 'jsdom';
import OpenAI from 'openai';
import { apiKey, healthy, model } from './settings.mjs';

// A browser without a screen: it runs the page's script, which asks the gateway for what it shows.
async function open(url) {
  const problems = [];
  const virtualConsole = new VirtualConsole();
  for (const kind of ['error', 'jsdomError']) virtualConsole.on(kind, (problem) => problems.push(problem));
  const page = await JSDOM.fromURL(url, {
    runScripts: 'dangerously',
    pretendToBeVisual: true,
    virtualConsole,
    beforeParse(window) {
      window.fetch = (address, { headers }) => fetch(address, { headers });
      window.AbortSignal.timeout = (milliseconds) => AbortSignal.timeout(milliseconds);
    },
  });
  return { document: page.window.document, problems, close: () => page.window.close() };
}

async function eventually(what, holds) {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 100, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('the status is a page that follows what happens', async () => {
  const { document, problems, close } = await open(`${healthy.baseURL}/status?key=${apiKey}`);
  try {
    const rows = () => document.querySelectorAll('#accounts tr').length;
    await eventually('no accounts are shown', () => rows() > 1);
    assert.match(document.querySelector('#pool').textContent, new RegExp(`Accounts${rows()}`));

    const calls = () => [...document.querySelectorAll('#accounts tr td:nth-child(6)')].reduce((sum, cell) => sum + Number(cell.textContent), 0);
    const before = calls();
    const question = [{ role: 'user', content: 'Does the page notice?' }];
    await new OpenAI(healthy).chat.completions.create({ model, messages: question });
    await eventually('the page does not notice a call', () => calls() > before);
    assert.match(document.querySelector('#accounts').textContent, new RegExp(model));

    document.querySelector('#filter').value = 'no account is called this';
    document.querySelector('#filter').dispatchEvent(new document.defaultView.Event('input'));
    assert.equal(rows(), 0, 'the filter has no effect');
    assert.deepEqual(problems, []);
  } finally {
    close();
  }
});
