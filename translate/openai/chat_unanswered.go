package openai

import (
	"slices"
	"strings"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

// refuseUnanswered refuses, where the gateway is strict, a history in which a call has no result, as OpenAI's chat API does. Otherwise
// results are made up: clients that were interrupted, or that shorten a long conversation, are many.
func (r *chatRequest) refuseUnanswered(to *translate.Request) *translate.Error {
	if !to.Strict || r.adopted {
		return nil
	}
	for i := range to.Messages {
		var open []string
		for _, p := range to.Messages[i].Parts {
			if p.Kind == translate.PartCall {
				open = append(open, p.Call.ID)
			}
		}
		for _, m := range to.Messages[i+1:] {
			if m.Role != translate.RoleTool || len(open) == 0 {
				break
			}
			open = slices.DeleteFunc(open, func(id string) bool { return id == m.Parts[0].Result.CallID })
		}
		if len(open) > 0 {
			return translate.Invalid("messages", "", "An assistant message with 'tool_calls' must be followed by tool messages responding to "+
				"each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", clip(strings.Join(open, ", ")))
		}
	}
	return nil
}
