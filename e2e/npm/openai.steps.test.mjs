// OpenAI's own library in tasks of several steps on a model that wants its signatures back.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction } from 'openai/helpers/zod';
import { z } from 'zod';
import { model } from './settings.mjs';
import { checkSignatures, checkTask, conversations, task, toolbox, watch } from './watched.mjs';

let gateway, client;
before(async () => {
  gateway = await watch();
  client = new OpenAI({ ...gateway.settings, maxRetries: 0 });
});

const City = z.object({ city: z.string() });
const messages = [{ role: 'user', content: task.question }];

/** The three messages with calls, or the text, that the model gave. */
function checkTranscript(said) {
  const assistant = said.filter((message) => message.role === 'assistant');
  assert.deepEqual(assistant.map((message) => message.tool_calls?.length ?? 0), [3, 3, 0]);
  const ids = assistant.flatMap((message) => message.tool_calls ?? []).map((call) => call.id);
  assert.equal(new Set(ids).size, 6);
  for (const id of ids) assert.match(id, /^[a-zA-Z0-9_-]{1,40}$/);
}

for (const { name, restarted, kept, dropped } of conversations) {
  describe(`openai: steps, ${name}`, () => {
    for (const stream of [false, true]) {
      // It sends back only the fields it knows, from 6.4x on.
      test(`the tool runner, ${stream ? 'streamed' : 'whole'}`, async () => {
        await gateway.forget();
        const tools = toolbox(restarted ? gateway.restart : undefined);
        const calls = [];
        const runner = client.chat.completions.runTools({
          model, messages, stream,
          tools: task.steps.map((tool) => zodFunction({
            name: tool, parameters: City, description: tools[tool].description, function: tools[tool].run,
          })),
        });
        runner.on('functionToolCall', (call) => calls.push(call.name));
        checkTask(tools.asked, await runner.finalContent());
        assert.deepEqual(calls, task.steps.flatMap((tool) => task.cities.map(() => tool)));
        checkTranscript(runner.messages);
        checkSignatures(await gateway.calls(), ...dropped);
      });
    }

    test('parsed calls of strict tools, sent back as only what is known of them', async () => {
      await gateway.forget();
      const tools = toolbox(restarted ? gateway.restart : undefined);
      const conversation = [...messages];
      let message;
      do {
        const answer = await client.chat.completions.parse({
          model, messages: conversation,
          tools: task.steps.map((tool) => zodFunction({ name: tool, parameters: City, description: tools[tool].description })),
        });
        message = answer.choices[0].message;
        conversation.push({
          role: 'assistant', content: message.content,
          tool_calls: message.tool_calls?.map(({ id, type, function: f }) => ({
            id, type, function: { name: f.name, arguments: f.arguments },
          })),
        });
        for (const { id, function: f } of message.tool_calls ?? []) {
          const result = await tools[f.name].run(f.parsed_arguments);
          conversation.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(result) });
        }
      } while (message.tool_calls?.length);
      checkTask(tools.asked, message.content);
      checkTranscript(conversation);
      checkSignatures(await gateway.calls(), ...dropped);
    });

    test('the stream helper tells of calls as they come', async () => {
      await gateway.forget();
      const tools = toolbox(restarted ? gateway.restart : undefined);
      const conversation = [...messages];
      let message;
      do {
        const told = [];
        const stream = client.chat.completions.stream({
          model, messages: conversation,
          tools: task.steps.map((tool) => zodFunction({ name: tool, parameters: City, description: tools[tool].description })),
        });
        stream.on('tool_calls.function.arguments.done', (call) => told.push(`${call.index} ${call.name} ${call.parsed_arguments.city}`));
        message = (await stream.finalChatCompletion()).choices[0].message;
        assert.deepEqual(told, (message.tool_calls ?? []).map(({ function: f }, i) => `${i} ${f.name} ${f.parsed_arguments.city}`));
        conversation.push(message);
        for (const { id, function: f } of message.tool_calls ?? []) {
          const result = await tools[f.name].run(f.parsed_arguments);
          conversation.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(result) });
        }
      } while (message.tool_calls?.length);
      checkTask(tools.asked, message.content);
      checkTranscript(conversation);
      checkSignatures(await gateway.calls(), ...kept);
    });
  });
}
