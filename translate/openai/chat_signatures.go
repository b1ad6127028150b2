package openai

import (
	"slices"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// Google's thought signatures have no place in OpenAI's protocol, so gateways and SDKs each found one. We write to the first of
// these and read from all of them, because a conversation may have begun elsewhere.

// extraContent is where Google's own compatible endpoint puts them, and we do.
type extraContent struct {
	Google struct {
		ThoughtSignature string `json:"thought_signature"`
		Thought          bool   `json:"thought"`
	} `json:"google"`
}

// callCarrier are the places in a tool call, or in its function.
type callCarrier struct {
	ExtraContent           optional[extraContent]           `json:"extra_content"`
	ProviderSpecificFields optional[providerSpecificFields] `json:"provider_specific_fields"` // LiteLLM
	ThoughtSignature       optional[string]                 `json:"thought_signature"`
	ThoughtSignatureCamel  optional[string]                 `json:"thoughtSignature"`
}

type providerSpecificFields struct {
	ThoughtSignature  string   `json:"thought_signature"`
	ThoughtSignatures []string `json:"thought_signatures"` // of a message
}

// find returns the first signature there is.
func (c *callCarrier) find() string {
	for _, text := range []string{
		c.ExtraContent.or().Google.ThoughtSignature, c.ProviderSpecificFields.or().ThoughtSignature,
		c.ThoughtSignature.or(), c.ThoughtSignatureCamel.or(),
	} {
		if text != "" {
			return text
		}
	}
	return ""
}

// reasoningDetail is an entry of OpenRouter's list on a message; the encrypted ones are signatures.
type reasoningDetail struct {
	Type string `json:"type"`
	ID   string `json:"id"` // of the call it belongs to
	Data string `json:"data"`
}

// thinkingBlock is an entry of LiteLLM's list on a message, in Anthropic's form.
type thinkingBlock struct {
	Signature string `json:"signature"`
}

// idSeparators are what two gateways put between a call's id and its signature.
var idSeparators = [...]string{"__thought__", "__sig__"}

// splitID takes the signature out of a call's id. The last separator counts: what stands before it may look like one together with it.
func splitID(id string) (clean, signature string) {
	for _, separator := range idSeparators {
		if at := strings.LastIndex(id, separator); at >= 0 {
			return id[:at], id[at+len(separator):]
		}
	}
	return id, ""
}

// sign gives each call the signature found in it, and what is found on the message to the text or to the first call: a model
// signs the first call of a step and nothing else, or the end of its text.
func (m *chatMessage) sign(parts, calls []translate.Part) {
	for i := range calls {
		call := calls[i].Call
		for _, detail := range m.ReasoningDetails.or() {
			if call.Signature.IsZero() && detail.encrypted() && detail.ID != "" && detail.ID == call.ID {
				call.Signature = translate.ParseCarrier(detail.Data)
			}
		}
	}
	text := lastText(parts)
	if text != nil {
		text.Signature = translate.ParseCarrier(m.ExtraContent.or().Google.ThoughtSignature)
	}
	loose := m.looseSignature(calls, text == nil)
	switch {
	case loose == "":
	case len(calls) > 0 && calls[0].Call.Signature.IsZero():
		calls[0].Call.Signature = translate.ParseCarrier(loose)
	case len(calls) == 0 && text != nil && text.Signature.IsZero():
		text.Signature = translate.ParseCarrier(loose)
	}
}

// looseSignature is a signature on the message that does not say which call it belongs to. Several that are of no order say nothing
// together; of blocks of thoughts the first stands before the first call.
func (m *chatMessage) looseSignature(calls []translate.Part, withExtra bool) string {
	if own := m.ExtraContent.or().Google.ThoughtSignature; withExtra && own != "" {
		return own
	}
	var found string
	for _, detail := range m.ReasoningDetails.or() {
		if detail.encrypted() && !slices.ContainsFunc(calls, func(p translate.Part) bool { return p.Call.ID == detail.ID }) {
			if found != "" {
				return ""
			}
			found = detail.Data
		}
	}
	if found != "" {
		return found
	}
	for _, block := range m.ThinkingBlocks.or() {
		if block.Signature != "" {
			return block.Signature
		}
	}
	for i := range m.Content.parts {
		if signature := m.Content.parts[i].Signature.or(); signature != "" {
			return signature
		}
	}
	if all := m.ProviderSpecificFields.or().ThoughtSignatures; len(all) == 1 {
		return all[0]
	}
	return ""
}

func (d reasoningDetail) encrypted() bool { return d.Type == "reasoning.encrypted" && d.Data != "" }

func lastText(parts []translate.Part) *translate.Part {
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].Kind == translate.PartText {
			return &parts[i]
		}
	}
	return nil
}
