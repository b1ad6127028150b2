// OpenAI's own library: plain and streamed answers, its stream helper, its tool runner, parsed output, its error classes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  brokenModel, checkMentions, healthy, model, overloadedModel, spentModel, troubled, turns, weather, weatherDescription, wrongKey,
} from './settings.mjs';

const client = new OpenAI({ ...healthy, maxRetries: 0 });
const messages = [{ role: 'user', content: 'Tell me a story about a lighthouse in five sentences.' }];

function checkUsage(usage) {
  assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0, JSON.stringify(usage));
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

describe('openai: answers', () => {
  test('a whole answer', async () => {
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.model, model);
    assert.equal(answer.choices.length, 1);
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    checkUsage(answer.usage);
    assert.ok(answer._request_id);
  });

  test('a stream says the same, in order', async () => {
    const whole = await client.chat.completions.create({ model, messages });
    const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);

    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    assert.equal(text, whole.choices[0].message.content);

    const usages = chunks.filter((chunk) => chunk.usage);
    assert.equal(usages.length, 1);
    assert.equal(usages[0], chunks.at(-1));
    assert.deepEqual(usages[0].choices, []);
    checkUsage(usages[0].usage);
    assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
    assert.equal(chunks.filter((chunk) => chunk.choices[0]?.finish_reason).length, 1);
  });

  test('the stream helper accumulates it', async () => {
    const stream = client.chat.completions.stream({ model, messages });
    let pieces = '';
    stream.on('content', (delta) => { pieces += delta; });
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.choices[0].message.content, pieces);
    assert.ok(pieces);
  });

  test('models', async () => {
    const listed = [];
    for await (const entry of client.models.list()) listed.push(entry.id);
    assert.ok(listed.includes(model));
    assert.equal((await client.models.retrieve(model)).id, model);
  });
});

describe('openai: tools', () => {
  for (const stream of [false, true]) {
    test(`the tool runner, two turns of parallel calls, ${stream ? 'streamed' : 'whole'}`, async () => {
      const conversation = [];
      for (const { question, cities } of turns) {
        conversation.push({ role: 'user', content: question });
        const asked = [];
        const runner = client.chat.completions.runTools({
          model,
          stream,
          messages: conversation,
          tools: [{
            type: 'function',
            function: {
              name: 'get_weather',
              description: weatherDescription,
              parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
              parse: JSON.parse,
              function: ({ city }) => { asked.push(city); return weather(city); },
            },
          }],
        });
        checkMentions(await runner.finalContent(), cities);
        assert.deepEqual(asked.toSorted(), cities.toSorted());

        const calling = runner.messages.slice(conversation.length).find((message) => message.tool_calls?.length);
        assert.equal(calling.tool_calls.length, cities.length, 'the calls come in one answer');
        assert.equal(new Set(calling.tool_calls.map((call) => call.id)).size, cities.length);
        conversation.splice(0, conversation.length, ...runner.messages);
      }
    });
  }
});

describe('openai: structured output', () => {
  const Person = z.object({ name: z.string(), age: z.number().int(), hobbies: z.array(z.string()) });
  const params = { model, messages: [{ role: 'user', content: 'Describe a person.' }], response_format: zodResponseFormat(Person, 'person') };

  test('parsed', async () => {
    const answer = await client.chat.completions.parse(params);
    Person.parse(answer.choices[0].message.parsed);
  });

  test('parsed from a stream', async () => {
    const answer = await client.chat.completions.stream(params).finalChatCompletion();
    Person.parse(answer.choices[0].message.parsed);
  });
});

describe('openai: errors', () => {
  const ask = (settings, params) => new OpenAI({ ...settings, maxRetries: 0 }).chat.completions.create({ model, messages, ...params });
  const cases = [
    { name: 'unknown model', params: { model: 'no-such-model' }, type: OpenAI.NotFoundError, code: 'model_not_found', param: 'model' },
    {
      name: 'parameter out of range', params: { temperature: 3 }, type: OpenAI.BadRequestError, code: 'decimal_above_max_value',
      param: 'temperature',
    },
    { name: 'wrong key', settings: wrongKey, type: OpenAI.AuthenticationError, code: 'invalid_api_key' },
    { name: 'quota spent', params: { model: spentModel }, type: OpenAI.RateLimitError, code: 'insufficient_quota' },
    { name: 'model overloaded', params: { model: overloadedModel }, type: OpenAI.InternalServerError, code: 'server_is_overloaded' },
  ];
  for (const { name, settings = troubled, params, type, code, param = null } of cases) {
    for (const stream of [false, true]) {
      test(`${name}, ${stream ? 'streamed' : 'whole'}`, async () => {
        await assert.rejects(ask(settings, { ...params, stream }), (error) => {
          assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
          assert.equal(error.code, code);
          assert.equal(error.param, param);
          assert.ok(error.requestID);
          return true;
        });
      });
    }
  }

  test('a failure in the middle of a stream', async () => {
    const stream = await ask(troubled, { model: brokenModel, stream: true });
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        assert.equal(chunk.choices[0]?.finish_reason ?? null, null);
      }
    }, (error) => {
      assert.ok(error instanceof OpenAI.APIError, String(error));
      assert.ok(error.type && error.message);
      return true;
    });
    assert.ok(text, 'nothing arrived before the failure');
  });
});
