import assert from 'node:assert/strict';

// What every test needs to know about the gateways, which ../npm_test.go starts and names in the environment.
function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests are started by go test in the folder above`);
  return value;
}

export const apiKey = required('E2E_KEY');

// The gateway on which everything works, and the one whose Google refuses the models below.
export const healthy = { baseURL: required('E2E_BASE_URL'), apiKey };
export const troubled = { baseURL: required('E2E_TROUBLED_URL'), apiKey };
export const wrongKey = { ...troubled, apiKey: 'not-the-key' };

// Where to get more gateways: see watched.mjs.
export const control = required('E2E_CONTROL_URL');

export const model = required('E2E_MODEL');
export const spentModel = required('E2E_SPENT_MODEL');
export const overloadedModel = required('E2E_OVERLOADED_MODEL');
export const brokenModel = required('E2E_BROKEN_MODEL');
export const likelyModel = required('E2E_LIKELY_MODEL'); // gives log probabilities

// Two turns of a conversation that needs a tool, twice in parallel each. The simulated model repeats the results in its answers.
export const turns = [
  { question: 'What is the weather in Paris and Tokyo?', cities: ['Paris', 'Tokyo'] },
  { question: 'And what is the weather in Oslo and Rome?', cities: ['Oslo', 'Rome'] },
];

export const weatherDescription = 'The current weather of one city';

export function weather(city) {
  return { city, celsius: 20 };
}

export function checkMentions(text, cities) {
  for (const city of cities) assert.ok(text.includes(city), `${JSON.stringify(text)} does not mention ${city}`);
}

/** A picture of one pixel, a PNG in base64. */
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
