// LangChain's chat model for OpenAI, pointed at the gateway.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import {
  brokenModel, checkMentions, healthy, model, overloadedModel, pixel, spentModel, troubled, turns, weather, weatherDescription,
  wrongKey,
} from './settings.mjs';

const connect = ({ baseURL, apiKey }, options) => new ChatOpenAI({
  model, apiKey, maxRetries: 0, streamUsage: true, configuration: { baseURL }, ...options,
});
const gemini = connect(healthy);
const prompt = 'Tell me a story about a lighthouse in five sentences.';

function checkUsage(usage) {
  assert.ok(usage.input_tokens > 0 && usage.output_tokens > 0, JSON.stringify(usage));
  assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
}

async function gather(stream) {
  let answer;
  for await (const chunk of stream) answer = answer ? answer.concat(chunk) : chunk;
  return answer;
}

describe('LangChain: answers', () => {
  test('a whole answer, and the same as a stream', async () => {
    const whole = await gemini.invoke(prompt);
    assert.ok(whole.content);
    assert.equal(whole.response_metadata.finish_reason, 'stop');
    checkUsage(whole.usage_metadata);

    const streamed = await gather(await gemini.stream(prompt));
    assert.equal(streamed.content, whole.content);
    assert.equal(streamed.response_metadata.finish_reason, 'stop');
    checkUsage(streamed.usage_metadata);
    assert.equal(streamed.usage_metadata.total_tokens, whole.usage_metadata.total_tokens);
  });

  test('a picture', async () => {
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
    ];
    const { text, usage_metadata: usage } = await gemini.invoke([new HumanMessage({ content })]);
    assert.ok(text);
    assert.ok(usage.input_tokens > 258, 'a picture is as long as 258 tokens');
  });

  test('several at once', async () => {
    const { generations: [answers] } = await connect(healthy, { n: 2 }).generate([[new HumanMessage(prompt)]]);
    assert.equal(answers.length, 2);
    for (const { text } of answers) assert.ok(text);
  });
});

describe('LangChain: tools', () => {
  const getWeather = tool(({ city }) => JSON.stringify(weather(city)), {
    name: 'get_weather',
    description: weatherDescription,
    schema: z.object({ city: z.string() }),
  });
  const bound = gemini.bindTools([getWeather]);
  const ways = {
    whole: (messages) => bound.invoke(messages),
    streamed: async (messages) => gather(await bound.stream(messages)),
  };
  for (const [name, ask] of Object.entries(ways)) {
    test(`two turns of parallel calls, ${name}`, async () => {
      const messages = [];
      for (const { question, cities } of turns) {
        messages.push(new HumanMessage(question));
        const calling = await ask(messages);
        assert.deepEqual(calling.tool_calls.map((call) => call.args.city), cities);
        messages.push(calling);
        for (const call of calling.tool_calls) {
          const result = await getWeather.invoke(call);
          assert.ok(result instanceof ToolMessage);
          messages.push(result);
        }
        const answer = await ask(messages);
        checkMentions(answer.content, cities);
        assert.equal(answer.tool_calls.length, 0);
        messages.push(answer);
      }
    });
  }
});

describe('LangChain: structured output', () => {
  const Person = z.object({ name: z.string(), age: z.number().int(), hobbies: z.array(z.string()) });
  for (const method of ['jsonSchema', 'functionCalling']) {
    test(method, async () => {
      const person = await gemini.withStructuredOutput(Person, { name: 'person', method }).invoke('Describe a person.');
      Person.parse(person);
    });
  }
});

describe('LangChain: errors', () => {
  const cases = [
    { name: 'unknown model', options: { model: 'no-such-model' }, status: 404, code: 'model_not_found', param: 'model' },
    { name: 'parameter out of range', options: { temperature: 3 }, status: 400, code: 'decimal_above_max_value', param: 'temperature' },
    { name: 'wrong key', settings: wrongKey, status: 401, code: 'invalid_api_key' },
    { name: 'quota spent', options: { model: spentModel }, status: 429, code: 'insufficient_quota' },
    { name: 'model overloaded', options: { model: overloadedModel }, status: 503, code: 'server_is_overloaded' },
  ];
  for (const { name, settings = troubled, options, status, code, param = null } of cases) {
    const failing = connect(settings, options);
    const check = (error) => {
      assert.equal(error.status, status, String(error));
      assert.equal(error.code, code);
      assert.equal(error.param, param);
      return true;
    };
    test(`${name}, whole`, () => assert.rejects(failing.invoke(prompt), check));
    test(`${name}, streamed`, () => assert.rejects(async () => gather(await failing.stream(prompt)), check));
  }

  test('a failure in the middle of a stream', async () => {
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of await connect(troubled, { model: brokenModel }).stream(prompt)) text += chunk.content;
    });
    assert.ok(text, 'nothing arrived before the failure');
  });
});
