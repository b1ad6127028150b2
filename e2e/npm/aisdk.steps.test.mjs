// Vercel's AI SDK in tasks of several steps on a model that wants its signatures back.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { z } from 'zod';
import { compatible, generateText, keepsSignatures, name as sdk, openai, stepCountIs, streamText, tool } from './aisdk.mjs';
import { model } from './settings.mjs';
import { checkSignatures, checkTask, conversations, task, toolbox, watch } from './watched.mjs';

let gateway;
before(async () => { gateway = await watch(); });

const providers = [
  { provider: 'compatible, named google', connect: (settings) => compatible(settings, 'google'), keeps: keepsSignatures('google') },
  { provider: 'compatible, named gateway', connect: (settings) => compatible(settings), keeps: keepsSignatures('gateway') },
  { provider: 'openai.chat', connect: openai, keeps: false },
];

const ways = {
  whole: async (settings) => {
    const { text, steps } = await generateText(settings);
    return { text, steps };
  },
  streamed: async (settings) => {
    const result = streamText({ ...settings, onError: () => {} });
    for await (const part of result.fullStream) if (part.type === 'error') throw part.error;
    return { text: await result.text, steps: await result.steps };
  },
};

for (const { name, restarted, kept, dropped } of conversations) {
  describe(`${sdk}: steps, ${name}`, () => {
    for (const { provider, connect, keeps } of providers) {
      for (const [way, run] of Object.entries(ways)) {
        test(`${provider}, ${way}`, async () => {
          await gateway.forget();
          const tools = toolbox(restarted ? gateway.restart : undefined);
          const { text, steps } = await run({
            model: connect(gateway.settings)(model),
            prompt: task.question,
            maxRetries: 0,
            stopWhen: stepCountIs(5),
            tools: Object.fromEntries(task.steps.map((id) => [id, tool({
              description: tools[id].description, inputSchema: z.object({ city: z.string() }), execute: tools[id].run,
            })])),
          });
          checkTask(tools.asked, text);
          assert.deepEqual(steps.map((step) => step.finishReason), ['tool-calls', 'tool-calls', 'stop']);
          assert.deepEqual(steps.map((step) => step.toolCalls.length), [3, 3, 0]);
          checkSignatures(await gateway.calls(), ...(keeps ? kept : dropped));
        });
      }
    }
  });
}
