package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
)

// LargeChatRequest is a chat request as a coding agent sends it after a while: 124 KB, 121 messages of which a third are tool
// calls and their results, and 40 tools with schemas. It is the same bytes every time.
func LargeChatRequest() []byte {
	type object map[string]any
	prose := strings.Repeat("The gateway keeps one conversation model between what clients say and what Google hears. ", 8)
	messages := append(make([]object, 0, 121), object{"role": "system", "content": prose})
	for i := range 40 {
		id := fmt.Sprintf("call_%024d", i)
		arguments := fmt.Sprintf(`{"path":"internal/gateway/file_%d.go","offset":%d,"limit":200,"pattern":"func \\(x \\*Route\\)"}`, i, i*200)
		result := fmt.Sprintf(`{"path":"internal/gateway/file_%d.go","lines":%q}`, i, prose[:600])
		messages = append(messages,
			object{"role": "user", "content": fmt.Sprintf("Step %d. %s", i, prose[:590])},
			object{"role": "assistant", "content": prose[:300], "tool_calls": []object{{
				"id": id, "type": "function", "function": object{"name": fmt.Sprintf("tool_%d", i), "arguments": arguments},
			}}},
			object{"role": "tool", "tool_call_id": id, "content": result},
		)
	}
	tools := make([]object, 0, 40)
	for i := range 40 {
		properties := object{}
		for j := range 6 {
			properties[fmt.Sprintf("property_%d", j)] = object{
				"type": []string{"string", "integer", "boolean"}[j%3], "description": prose[:80],
			}
		}
		tools = append(tools, object{"type": "function", "function": object{
			"name": fmt.Sprintf("tool_%d", i), "description": prose[:200],
			"parameters": object{
				"type": "object", "properties": properties, "required": []string{"property_0", "property_1"},
				"additionalProperties": false,
			},
		}})
	}
	body, err := json.Marshal(object{
		"model": "gemini-3-flash-preview", "stream": true, "stream_options": object{"include_usage": true},
		"messages": messages, "tools": tools, "tool_choice": "auto", "temperature": 0.2,
	})
	if err != nil {
		panic(err) // everything above can be marshalled
	}
	return body
}
