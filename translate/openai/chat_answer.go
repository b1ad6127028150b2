package openai

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// call sends a call in two deltas, as OpenAI does: what names it, once, then its arguments. One of a freeform tool goes out in one.
func (w *chatWriter) call(dst []byte, choice int, call *translate.Call) []byte {
	c := &w.choices[choice]
	index := c.calls
	c.calls++
	if w.form.functionCall {
		if index > 0 {
			return dst // the form has room for one
		}
		return w.functionCall(dst, choice, call)
	}
	call.ID = w.callID(call.ID)
	custom := w.freeform(call.Name)
	if !w.form.stream {
		if index > 0 {
			c.callList = append(c.callList, ',')
		}
		c.callList = append(c.callList, '{')
		c.callList = appendCall(c.callList, call, custom, call.Args)
		c.callList = append(c.callList, '}')
		return dst
	}
	args := call.Args
	if !custom {
		args = nil
	}
	dst = w.openCall(dst, choice, index)
	dst = append(dst, ',')
	dst = appendCall(dst, call, custom, args)
	dst = append(dst, "}]"...)
	dst = w.closeDelta(dst)
	if custom {
		return dst
	}
	dst = w.openCall(dst, choice, index)
	dst = append(dst, `,"function":{"arguments":`...)
	dst = appendString(dst, call.Args)
	dst = append(dst, "}}]"...)
	return w.closeDelta(dst)
}

func (w *chatWriter) openCall(dst []byte, choice, index int) []byte {
	dst = w.openDelta(dst, choice)
	dst = append(dst, `"tool_calls":[{"index":`...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// freeform reports whether the client declared a tool as one that takes text and no JSON.
func (w *chatWriter) freeform(name string) bool {
	return slices.ContainsFunc(w.request.Tools, func(t translate.Tool) bool { return t.Freeform && t.Name == name })
}

// appendCall appends a call's members. Arguments are JSON inside a string; nil is the empty string, to which the next delta adds.
func appendCall(dst []byte, call *translate.Call, custom bool, args []byte) []byte {
	dst = append(dst, `"id":`...)
	dst = appendString(dst, call.ID)
	if custom {
		dst = append(dst, `,"type":"custom","custom":{"name":`...)
		dst = appendString(dst, call.Name)
		dst = append(dst, `,"input":`...)
		dst = appendString(dst, freeformInput(args))
	} else {
		dst = append(dst, `,"type":"function","function":{`...)
		dst = appendFunction(dst, call.Name, args)
	}
	dst = append(dst, '}')
	if !call.Signature.IsZero() {
		dst = append(dst, ',')
		dst = appendSignature(dst, call.Signature)
	}
	return dst
}

// freeformInput is the text a freeform tool is called with. A model that gives it something else has that passed on as it is.
func freeformInput(args jsontext.Value) string {
	var wrapped map[string]jsontext.Value
	if json.Unmarshal(args, &wrapped, tolerant) == nil {
		var text string
		if input, ok := wrapped[translate.FreeformArg]; ok && json.Unmarshal(input, &text, tolerant) == nil && input.Kind() == '"' {
			return text
		}
	}
	return string(args)
}

func appendFunction(dst []byte, name string, args []byte) []byte {
	dst = append(dst, `"name":`...)
	dst = appendString(dst, name)
	dst = append(dst, `,"arguments":`...)
	return appendString(dst, args)
}

// functionCall sends the one call of the form of before 2023-11.
func (w *chatWriter) functionCall(dst []byte, choice int, call *translate.Call) []byte {
	if !w.form.stream {
		w.choices[choice].callList = appendLegacyCall(nil, call, call.Args)
		return dst
	}
	dst = w.openDelta(dst, choice)
	dst = append(dst, `"function_call":{`...)
	dst = appendLegacyCall(dst, call, nil)
	dst = append(dst, '}')
	dst = w.closeDelta(dst)
	dst = w.openDelta(dst, choice)
	dst = append(dst, `"function_call":{"arguments":`...)
	dst = appendString(dst, call.Args)
	dst = append(dst, '}')
	return w.closeDelta(dst)
}

func appendLegacyCall(dst []byte, call *translate.Call, args []byte) []byte {
	dst = appendFunction(dst, call.Name, args)
	if !call.Signature.IsZero() {
		dst = append(dst, ',')
		dst = appendSignature(dst, call.Signature)
	}
	return dst
}

// callID is Google's id of a call where clients can take it, else a new one: OpenAI's are short and clean, and unique in an answer. One
// that would be taken apart when it comes back is none, either.
func (w *chatWriter) callID(id string) string {
	if whole, _ := splitID(id); whole != id || !isCleanID(id) || slices.Contains(w.callIDs, id) {
		id = translate.NewCallID()
	}
	w.callIDs = append(w.callIDs, id)
	return id
}

func isCleanID(id string) bool {
	const longest = 40
	return id != "" && len(id) <= longest && strings.IndexFunc(id, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// appendSignature appends the member in which clients carry a signature back to us.
func appendSignature(dst []byte, s translate.Signature) []byte {
	dst = append(dst, `"extra_content":{"google":{"thought_signature":`...)
	dst = appendString(dst, s.Carrier())
	return append(dst, "}}"...)
}

func appendList(dst []byte, name string, entries []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	dst = append(dst, entries...)
	return append(dst, ']')
}

func (c *chatChoice) addCitation(source *translate.Citation) {
	start, end := c.thoughts.shift(source.Start, source.End)
	dst := c.annotations
	if c.noteCount > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c.noteCount), 10)
	dst = append(dst, `,"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(end), 10)
	dst = append(dst, `,"url":`...)
	dst = appendString(dst, source.URI)
	dst = append(dst, `,"title":`...)
	dst = appendString(dst, source.Title)
	c.annotations = append(dst, "}}"...)
	c.noteCount++
}

// body is the whole answer at once.
func (w *chatWriter) body(dst []byte) []byte {
	dst = append(dst, w.head...)
	for i := range w.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"message":{`...)
		dst = w.message(dst, &w.choices[i])
		dst = append(dst, `},"logprobs":`...)
		dst = appendLogProbs(dst, w.choices[i].logProbs)
		dst = append(dst, `,"finish_reason":`...)
		dst = appendString(dst, w.choices[i].finish)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"usage":`...)
	dst = appendUsage(dst, w.usage)
	return append(dst, "}\n"...)
}

func (w *chatWriter) message(dst []byte, c *chatChoice) []byte {
	content, refusal, reasoning := c.texts[fieldContent], c.texts[fieldRefusal], c.texts[fieldReasoning]
	dst = append(dst, `"role":"assistant","content":`...)
	if len(content) == 0 && len(c.callList) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, content)
	}
	dst = append(dst, `,"refusal":`...)
	dst = appendOrNull(dst, string(refusal))
	dst = append(dst, ',')
	dst = appendList(dst, "annotations", c.annotations)
	if len(reasoning) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = appendString(dst, reasoning)
	}
	switch {
	case len(c.callList) == 0:
	case w.form.functionCall:
		dst = append(dst, `,"function_call":{`...)
		dst = append(dst, c.callList...)
		dst = append(dst, '}')
	default:
		dst = append(dst, ',')
		dst = appendList(dst, "tool_calls", c.callList)
	}
	if len(c.images) > 0 {
		dst = append(dst, ',')
		dst = appendList(dst, "images", c.images)
	}
	if len(c.audio.data) > 0 {
		dst = append(dst, ',')
		dst = w.appendAudio(dst, &c.audio)
	}
	if !c.signature.IsZero() {
		dst = append(dst, ',')
		dst = appendSignature(dst, c.signature)
	}
	return dst
}

// appendUsage appends OpenAI's account of tokens. Cached tokens are part of the prompt's, reasoning tokens of the completion's.
func appendUsage(dst []byte, u translate.Usage) []byte {
	for _, member := range [...]struct {
		text  string
		count int
	}{
		{`{"prompt_tokens":`, u.Prompt},
		{`,"completion_tokens":`, u.Completion},
		{`,"total_tokens":`, u.Total()},
		{`,"prompt_tokens_details":{"cached_tokens":`, u.Cached},
		{`,"audio_tokens":`, u.PromptAudio},
		{`},"completion_tokens_details":{"reasoning_tokens":`, u.Reasoning},
		{`,"audio_tokens":`, u.CompletionAudio},
	} {
		dst = append(dst, member.text...)
		dst = strconv.AppendInt(dst, int64(member.count), 10)
	}
	return append(dst, `,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}
