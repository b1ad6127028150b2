// OpenAI's own library: what else a request may ask for, and what its stream helper makes of the answers.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction } from 'openai/helpers/zod';
import { z } from 'zod';
import { likelyModel, model, pixel } from './settings.mjs';
import { watch } from './watched.mjs';

let client;
before(async () => {
  const { settings } = await watch();
  client = new OpenAI({ ...settings, maxRetries: 0 });
});

const hello = [{ role: 'user', content: 'Say hello.' }];
const ways = {
  whole: (params) => client.chat.completions.create(params),
  streamed: (params) => client.chat.completions.stream(params).finalChatCompletion(),
};

describe('openai: parameters', () => {
  for (const [way, ask] of Object.entries(ways)) {
    test(`several choices, ${way}`, async () => {
      const { choices } = await ask({ model, messages: hello, n: 3 });
      assert.deepEqual(choices.map((choice) => [choice.index, choice.finish_reason]), [[0, 'stop'], [1, 'stop'], [2, 'stop']]);
      for (const choice of choices) assert.ok(choice.message.content);
    });

    test(`log probabilities, ${way}`, async () => {
      const { choices: [{ logprobs }] } = await ask({ model: likelyModel, messages: hello, logprobs: true, top_logprobs: 2 });
      assert.deepEqual(logprobs.content, [{
        token: 'Hi', logprob: -0.25, bytes: [72, 105],
        top_logprobs: [{ token: 'Hi', logprob: -0.25, bytes: [72, 105] }, { token: 'Yo', logprob: -1.5, bytes: [89, 111] }],
      }]);
    });

    test(`more stops than Google takes, ${way}`, async () => {
      const stop = ['one', 'two', 'three', 'four', 'five', 'six', 'simulated', 'eight'];
      const { choices: [{ message, finish_reason }] } = await ask({ model, messages: hello, stop });
      assert.equal(finish_reason, 'stop');
      assert.ok(message.content.endsWith(`${model}, `), message.content);
    });

    test(`a picture, ${way}`, async () => {
      const content = [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
      ];
      const { choices: [{ message }], usage } = await ask({
        model, messages: [{ role: 'user', content }], stream_options: way === 'streamed' ? { include_usage: true } : undefined,
      });
      assert.ok(message.content);
      assert.ok(usage.prompt_tokens > 258, 'a picture is as long as 258 tokens');
    });
  }
});

describe('openai: the stream helper', () => {
  test('tells of text and its end', async () => {
    const stream = client.chat.completions.stream({ model, messages: hello });
    const deltas = [];
    let snapshot = '', done;
    stream.on('content.delta', (event) => { deltas.push(event.delta); snapshot = event.snapshot; });
    stream.on('content.done', (event) => { done = event.content; });
    const text = await stream.finalContent();
    assert.ok(deltas.length > 1);
    assert.equal(deltas.join(''), text);
    assert.equal(snapshot, text);
    assert.equal(done, text);
  });

  test('tells of log probabilities', async () => {
    const stream = client.chat.completions.stream({ model: likelyModel, messages: hello, logprobs: true, top_logprobs: 2 });
    const tokens = [];
    stream.on('logprobs.content.delta', (event) => tokens.push(...event.content.map((entry) => entry.token)));
    await stream.done();
    assert.deepEqual(tokens, ['Hi']);
  });

  test('parses what a call of a strict tool is given', async () => {
    const stream = client.chat.completions.stream({
      model, messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
      tools: [zodFunction({
        name: 'get_weather', parameters: z.object({ city: z.string(), unit: z.enum(['c', 'f']), days: z.number().int() }),
      })],
    });
    let pieces = '';
    stream.on('tool_calls.function.arguments.delta', (event) => { pieces += event.arguments_delta; });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    assert.equal(finish_reason, 'tool_calls');
    const [{ function: call }] = message.tool_calls;
    assert.equal(call.arguments, pieces);
    assert.deepEqual(call.parsed_arguments, JSON.parse(pieces));
    assert.equal(call.parsed_arguments.city, 'Paris');
  });
});
