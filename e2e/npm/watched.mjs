// Gateways of a test file's own, whose Google tells what it was asked, and the task they are tried with.
import assert from 'node:assert/strict';
import { apiKey, control, weather, weatherDescription } from './settings.mjs';

async function call(method, path) {
  const response = await fetch(control + path, { method });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Starts a gateway, which ../control_test.go stops in the end. */
export async function watch() {
  const { url, control: path } = await call('POST', '/gateways');
  return {
    settings: { baseURL: url, apiKey },
    /** Replaces the gateway by one that knows nothing of what was before. */
    restart: () => call('POST', `${path}/restart`),
    /** Begins anew to remember what Google is asked. */
    forget: () => call('DELETE', `${path}/calls`),
    /** What Google was asked, and with which signatures. */
    calls: () => call('GET', `${path}/calls`),
  };
}

/** A question that the simulated model answers in three steps: a call for each city, another for each, then words. */
export const task = {
  question: 'What is the weather in Paris, Tokyo and Lima, then the time in Paris, Tokyo and Lima?',
  cities: ['Paris', 'Tokyo', 'Lima'],
  steps: ['get_weather', 'get_time'],
};

/**
 * The tools of the task, as functions of a city. They note who asked for what, and the first of them calls between() before it
 * answers, for instance to restart the gateway.
 */
export function toolbox(between) {
  let first;
  const asked = [];
  const tool = (name, answer) => async ({ city }) => {
    asked.push(`${name} ${city}`);
    await (first ??= between?.() ?? Promise.resolve());
    return answer(city);
  };
  return {
    asked,
    get_weather: { description: weatherDescription, run: tool('get_weather', weather) },
    get_time: { description: 'The time of day in one city', run: tool('get_time', (city) => ({ city, time: '12:34' })) },
  };
}

/** Checks that the tools were asked all that the task needs, step by step, and that the answer repeats all they said. */
export function checkTask(asked, text) {
  assert.deepEqual(asked, task.steps.flatMap((name) => task.cities.map((city) => `${name} ${city}`)));
  for (const name of task.steps) assert.equal(text.split(`${name}:`).length - 1, task.cities.length, text);
  for (const city of task.cities) assert.equal(text.split(city).length - 1, task.steps.length, text);
}

/** Checks what Google was asked: in each call, how the first call of each step before was signed. Those beside it never are. */
export function checkSignatures(calls, ...firsts) {
  const line = (status, steps) => `${status}: ${steps.map((kinds) => kinds.join(' ')).join(', ')}`;
  assert.deepEqual(
    calls.map(({ status, signatures }) => line(status, signatures)),
    firsts.map((steps) => line(200, steps.map((first) => [first, 'none', 'none']))),
  );
}

/**
 * The two conversations that every client is tried with. A client that keeps signatures gives each back; for one that drops them,
 * the gateway remembers them, and knows what to send instead when it was restarted.
 */
export const conversations = [
  { name: 'a gateway that stays', restarted: false, kept: [[], ['own'], ['own', 'own']], dropped: [[], ['own'], ['own', 'own']] },
  {
    name: 'a gateway restarted after the first step', restarted: true, kept: [[], ['own'], ['own', 'own']],
    dropped: [[], ['substitute'], ['substitute', 'own']],
  },
];
