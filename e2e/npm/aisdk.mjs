// The version of Vercel's AI SDK that is to be tried, with its two providers that speak Chat Completions.
const major = process.env.E2E_AI_SDK;

const load = {
  6: () => Promise.all([import('ai'), import('@ai-sdk/openai-compatible'), import('@ai-sdk/openai')]),
  7: () => Promise.all([import('ai7'), import('ai7-openai-compatible'), import('ai7-openai')]),
}[major];
if (!load) throw new Error(`E2E_AI_SDK is ${JSON.stringify(major)}: these tests are started by go test in the folder above`);

const [ai, { createOpenAICompatible }, { createOpenAI }] = await load();
export const { APICallError, generateObject, generateText, Output, stepCountIs, streamText, tool } = ai;
export const name = `AI SDK ${major}`;

/** The provider for services compatible with OpenAI's, which the user names. */
export const compatible = (settings, provider = 'gateway') =>
  createOpenAICompatible({ name: provider, ...settings, includeUsage: true, supportsStructuredOutputs: true });

/** OpenAI's provider, for Chat Completions. */
export const openai = (settings) => createOpenAI(settings).chat;

/** Whether the compatible provider of that name sends thought signatures back. */
export const keepsSignatures = (provider) => major !== '6' || provider === 'google';
