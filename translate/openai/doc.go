// Package openai speaks OpenAI's protocols: it decodes their requests into translate.Request and renders answers, errors and model
// lists as OpenAI's SDKs expect them. It does no I/O. What the SDKs do with unusual answers was measured against their releases of
// 2026-08; comments name the client a rule is for.
package openai
