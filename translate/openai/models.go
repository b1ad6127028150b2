package openai

import "strconv"

// ModelInfo is one model as GET /v1/models shows it.
type ModelInfo struct {
	ID   string
	Name string // for people
	// Created is when the model came out, in seconds since 1970; 0 when unknown.
	Created int64
	// Context and Output are limits in tokens; 0 when unknown.
	Context, Output int
}

// ModelList is the body of GET /v1/models.
func ModelList(models []ModelInfo) []byte {
	dst := []byte(`{"object":"list","data":[`)
	for i, m := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendModel(dst, m)
	}
	return append(dst, "]}\n"...)
}

// Model is the body of GET /v1/models/{id}.
func Model(m ModelInfo) []byte { return append(appendModel(nil, m), '\n') }

// appendModel adds OpenRouter's names for the limits to OpenAI's four members: agents size their prompts by them, SDKs skip them.
func appendModel(dst []byte, m ModelInfo) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, m.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, m.Created, 10)
	dst = append(dst, `,"owned_by":"google"`...)
	if m.Name != "" {
		dst = append(dst, `,"name":`...)
		dst = appendString(dst, m.Name)
	}
	if m.Context > 0 {
		dst = append(dst, `,"context_length":`...)
		dst = strconv.AppendInt(dst, int64(m.Context), 10)
	}
	if m.Output > 0 {
		dst = append(dst, `,"max_completion_tokens":`...)
		dst = strconv.AppendInt(dst, int64(m.Output), 10)
	}
	return append(dst, '}')
}
