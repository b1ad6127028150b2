// LangChain's chat model for OpenAI in tasks of several steps on a model that wants its signatures back, which it drops.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { z } from 'zod';
import { model } from './settings.mjs';
import { checkSignatures, checkTask, conversations, task, toolbox, watch } from './watched.mjs';

let gateway;
before(async () => { gateway = await watch(); });

const ways = {
  whole: (chat, messages) => chat.invoke(messages),
  streamed: async (chat, messages) => {
    let answer;
    for await (const chunk of await chat.stream(messages)) answer = answer ? answer.concat(chunk) : chunk;
    return answer;
  },
};

for (const { name, restarted, dropped } of conversations) {
  describe(`LangChain: steps, ${name}`, () => {
    for (const [way, ask] of Object.entries(ways)) {
      test(way, async () => {
        await gateway.forget();
        const { apiKey, baseURL } = gateway.settings;
        const { asked, ...box } = toolbox(restarted ? gateway.restart : undefined);
        const tools = Object.fromEntries(task.steps.map((id) => [id, tool(
          async (input) => JSON.stringify(await box[id].run(input)),
          { name: id, description: box[id].description, schema: z.object({ city: z.string() }) },
        )]));
        const chat = new ChatOpenAI({ model, apiKey, maxRetries: 0, streamUsage: true, configuration: { baseURL } })
          .bindTools(Object.values(tools));
        const messages = [new HumanMessage(task.question)];
        const counts = [];
        for (;;) {
          const answer = await ask(chat, messages);
          messages.push(answer);
          counts.push(answer.tool_calls.length);
          if (answer.tool_calls.length === 0) break;
          for (const call of answer.tool_calls) messages.push(await tools[call.name].invoke(call));
        }
        assert.deepEqual(counts, [3, 3, 0]);
        checkTask(asked, messages.at(-1).content);
        checkSignatures(await gateway.calls(), ...dropped);
      });
    }
  });
}
