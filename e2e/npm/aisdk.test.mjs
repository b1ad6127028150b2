// Vercel's AI SDK with its provider for OpenAI-compatible services, and with OpenAI's own.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import {
  APICallError, compatible, generateObject, generateText, name as sdk, openai, Output, stepCountIs, streamText, tool,
} from './aisdk.mjs';
import {
  brokenModel, checkMentions, healthy, model, overloadedModel, pixel, spentModel, troubled, turns, weather, weatherDescription,
  wrongKey,
} from './settings.mjs';

// The two providers that speak Chat Completions.
const providers = { compatible, openai };
const prompt = 'Tell me a story about a lighthouse in five sentences.';

function checkUsage(usage) {
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0, JSON.stringify(usage));
}

describe(`${sdk}: answers`, () => {
  for (const [provider, connect] of Object.entries(providers)) {
    const gemini = connect(healthy)(model);

    test(`a whole answer, and the same as a stream, ${provider}`, async () => {
      const whole = await generateText({ model: gemini, prompt, maxRetries: 0 });
      assert.ok(whole.text);
      assert.equal(whole.finishReason, 'stop');
      checkUsage(whole.usage);

      const stream = streamText({ model: gemini, prompt, maxRetries: 0 });
      let text = '';
      for await (const piece of stream.textStream) text += piece;
      assert.equal(text, whole.text);
      assert.equal(await stream.finishReason, 'stop');
      assert.deepEqual(await stream.usage, whole.usage);
    });

    test(`a picture, ${provider}`, async () => {
      const content = [
        { type: 'text', text: 'What is this?' },
        { type: 'image', image: Buffer.from(pixel, 'base64'), mediaType: 'image/png' },
      ];
      const { text, usage } = await generateText({ model: gemini, messages: [{ role: 'user', content }], maxRetries: 0 });
      assert.ok(text);
      assert.ok(usage.inputTokens > 258, 'a picture is as long as 258 tokens');
    });
  }

  test('thoughts, and the same as a stream', async () => {
    const request = {
      model: compatible(healthy)(model), prompt, maxRetries: 0, providerOptions: { gateway: { reasoningEffort: 'low' } },
    };
    const whole = await generateText(request);
    assert.ok(whole.reasoningText);
    assert.ok(!whole.text.includes(whole.reasoningText));

    const stream = streamText(request);
    const thoughts = [];
    for await (const part of stream.fullStream) if (part.type === 'reasoning-delta') thoughts.push(part.text);
    assert.equal(thoughts.join(''), whole.reasoningText);
    assert.equal(await stream.text, whole.text);
  });
});

describe(`${sdk}: tools`, () => {
  const asked = [];
  const settings = {
    maxRetries: 0,
    stopWhen: stepCountIs(4),
    tools: {
      get_weather: tool({
        description: weatherDescription,
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => { asked.push(city); return weather(city); },
      }),
    },
  };
  const ways = {
    whole: async (model, messages) => {
      const { text, steps, response } = await generateText({ ...settings, model, messages });
      return { text, steps, reply: response.messages };
    },
    streamed: async (model, messages) => {
      const result = streamText({ ...settings, model, messages, onError: () => {} });
      for await (const part of result.fullStream) if (part.type === 'error') throw part.error;
      return { text: await result.text, steps: await result.steps, reply: (await result.response).messages };
    },
  };
  // Version 6 returns thought signatures to the gateway only when the provider is named google.
  for (const provider of ['google', 'gateway']) {
    for (const [name, run] of Object.entries(ways)) {
      test(`two turns of parallel calls, ${name}, provider ${provider}`, async () => {
        const messages = [];
        for (const { question, cities } of turns) {
          messages.push({ role: 'user', content: question });
          asked.length = 0;
          const { text, steps, reply } = await run(compatible(healthy, provider)(model), messages);
          checkMentions(text, cities);
          assert.equal(steps.length, 2, 'one step calls, the next answers');
          assert.equal(steps[0].finishReason, 'tool-calls');
          assert.equal(steps[0].toolCalls.length, cities.length);
          assert.deepEqual(asked.toSorted(), cities.toSorted());
          messages.push(...reply);
        }
      });
    }
  }
});

describe(`${sdk}: structured output`, () => {
  const schema = z.object({ name: z.string(), age: z.number().int(), hobbies: z.array(z.string()) });
  for (const [provider, connect] of Object.entries(providers)) {
    const request = { model: connect(healthy)(model), prompt: 'Describe a person.', maxRetries: 0 };

    test(`generateObject, ${provider}`, async () => {
      schema.parse((await generateObject({ ...request, schema })).object);
    });

    test(`Output.object of a stream, ${provider}`, async () => {
      const result = streamText({ ...request, output: Output.object({ schema }) });
      schema.parse(await result.output);
    });
  }
});

describe(`${sdk}: errors`, () => {
  const cases = [
    { name: 'unknown model', id: 'no-such-model', status: 404, code: 'model_not_found', param: 'model', retryable: false },
    {
      name: 'parameter out of range', options: { temperature: 3 }, status: 400, code: 'decimal_above_max_value', param: 'temperature',
      retryable: false,
    },
    { name: 'wrong key', settings: wrongKey, status: 401, code: 'invalid_api_key', retryable: false },
    { name: 'quota spent', id: spentModel, status: 429, code: 'insufficient_quota', retryable: true },
    { name: 'model overloaded', id: overloadedModel, status: 503, code: 'server_is_overloaded', retryable: true },
  ];
  for (const { name, settings = troubled, id = model, options, status, code, param = null, retryable } of cases) {
    const check = (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, status);
      assert.equal(error.isRetryable, retryable);
      assert.equal(error.data.error.code, code);
      assert.equal(error.data.error.param, param);
      assert.equal(error.message, error.data.error.message);
      return true;
    };
    for (const [provider, connect] of Object.entries(providers)) {
      const request = { model: connect(settings)(id), prompt, maxRetries: 0, ...options };
      test(`${name}, whole, ${provider}`, () => assert.rejects(generateText(request), check));
      test(`${name}, streamed, ${provider}`, async () => {
        const errors = [];
        const result = streamText({ ...request, onError: () => {} });
        for await (const part of result.fullStream) if (part.type === 'error') errors.push(part.error);
        assert.equal(errors.length, 1);
        check(errors[0]);
      });
    }
  }

  for (const [provider, connect] of Object.entries(providers)) {
    test(`a failure in the middle of a stream, ${provider}`, async () => {
      const parts = [];
      const result = streamText({ model: connect(troubled)(brokenModel), prompt, maxRetries: 0, onError: () => {} });
      for await (const part of result.fullStream) parts.push(part);
      assert.ok(parts.some((part) => part.type === 'text-delta' && part.text), 'nothing arrived before the failure');
      assert.ok(parts.some((part) => part.type === 'error'), 'the failure did not arrive');
      assert.notEqual(parts.findLast((part) => part.type === 'finish')?.finishReason, 'stop');
    });
  }
});
