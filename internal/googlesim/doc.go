// Package googlesim is a simulated Google on one loopback port: the OAuth token endpoint, the Gemini Developer API, Vertex AI and
// Code Assist. It serves this project's tests, its demo and its benchmarks alike.
//
// It is strict: a request that Google would refuse gets the refusal that Google gives, with Google's words, so that a client
// which satisfies it has a good chance with the real service. To be an independent judge it shares no code with the packages it
// judges. It keeps quotas per project and model on a clock of its own, remembers every call it received, and can be told to fail
// in each of the ways Google is known to fail.
//
// Answers are deterministic and made from the question: see answer.go for what to ask to get a tool call, several, or JSON.
package googlesim
