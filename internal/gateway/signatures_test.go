package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/internal/conformance"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/gateway"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/googlesim"
	"github.com/gemini-proxy/caddy-gemini-proxy/internal/signatures"
	"github.com/gemini-proxy/caddy-gemini-proxy/translate/gemini"
)

// The tests in this file are about the thought signatures of calls, on their way through clients and past them.

// sentinel is what is sent for a signature that is lost.
const sentinel = "skip_thought_signature_validator"

// vercel#15560, litellm#16893, CLIProxyAPI#2098, code_puppy#165
func TestSignaturesComeBackForClientsThatDropThem(t *testing.T) {
	for name, pay := range map[string]func(*world){
		"gemini_api": func(w *world) { w.key(1) }, "vertex": func(w *world) { w.user(1) },
		"code_assist": func(w *world) {
			w.assist(1, googlesim.Assist{Tier: "standard-tier", Licensed: true, ManagedProject: "managed"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				pay(w)
				w.start()
				p := w.program()
				if calls := p.step().ToolCalls; len(calls) != 3 {
					w.Fatalf("%d calls", len(calls))
				}
				w.wantSent()
				p.step()
				signed := w.issued()
				w.wantSent(signed[0], "", "")
				p.step()
				signed = w.issued()
				w.wantSent(signed[0], "", "", signed[1], "", "")
				p.hear("user", "What is the weather in Oslo?")
				p.step()
				w.wantSent(signed[0], "", "", signed[1], "", "")
				w.wantCalls("", 4)
			})
		})
	}
}

// litellm#37849
func TestSignaturesComeBackForClientsWithIDsOfTheirOwn(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.carry = renaming()
		p.hear("system", "Be brief.")
		p.step()
		p.step()
		signed := w.issued()
		w.wantSent(signed[0], "", "")
		p.step()
		signed = w.issued()
		w.wantSent(signed[0], "", "", signed[1], "", "")
		p.hear("user", "What is the weather in Oslo?")
		p.step()
		w.wantSent("", "", "", "", "", "") // of turns that are over Google wants none, so they are not searched for
		w.wantCalls("", 4)
	})
}

// A call that says the same somewhere else was the fruit of other thoughts.
func TestACallIsKnownByWhatWasSaidBefore(t *testing.T) {
	for name, change := range map[string]func(p *program){
		"the question":     func(p *program) { p.messages[0] = map[string]any{"role": "user", "content": asked + " Please."} },
		"the instructions": func(p *program) { p.messages[1] = map[string]any{"role": "system", "content": "Be long."} },
		"the arguments": func(p *program) {
			p.calls()[0]["function"].(map[string]any)["arguments"] = `{"city":"Rome","days":1}`
		},
		"the name":   func(p *program) { p.calls()[0]["function"].(map[string]any)["name"] = "get_time" },
		"the family": func(p *program) { p.body["model"] = "gemini-4-argon" },
		"the client": func(p *program) { p.client.ID = "bob" },
		"an address": func(p *program) { p.client.Anonymous = true },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				w.key(1)
				w.start()
				p := w.program()
				p.carry = renaming()
				p.hear("system", "Be brief.")
				p.step()
				change(p)
				p.step()
				w.wantSent(sentinel, "", "")
				w.wantCalls("", 2)
			})
		})
	}
}

// What tools said is as much a reason for a call as what the user did, and so is how many were called before.
func TestALaterCallIsKnownByWhatToolsSaid(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *program)
		want   func(signed []string) []string
	}{
		"nothing": {func(*program) {}, func(s []string) []string { return []string{s[0], "", "", s[1], "", ""} }},
		"a result": {
			func(p *program) { p.messages[2].(map[string]any)["content"] = "bad" },
			func(s []string) []string { return []string{s[0], "", "", sentinel, "", ""} },
		},
		"a call": {
			func(p *program) {
				first := p.messages[1].(map[string]any)
				first["tool_calls"] = first["tool_calls"].([]map[string]any)[:2]
			},
			func(s []string) []string { return []string{s[0], "", sentinel, "", ""} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				w.key(1)
				w.start()
				p := w.program()
				p.carry = renaming()
				p.step()
				p.step()
				signed := w.issued()
				tt.change(p)
				p.step()
				w.wantSent(tt.want(signed)...)
			})
		})
	}
}

func TestSignaturesAreTheTenantsOwn(t *testing.T) {
	for name, other := range map[string]gateway.Client{
		"another user":                {ID: "bob", Identified: true},
		"an address spelled the same": {ID: known.ID, Anonymous: true, Identified: true},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				w.key(1)
				w.start()
				p := w.program()
				p.step()
				p.client = other
				p.step()
				w.wantSent(sentinel, "", "")
				w.wantCalls("", 2)
			})
		})
	}
}

// Clients nobody knows are told apart by the ids they were given.
func TestStrangersFindTheirSignaturesByIDOnly(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.client = gateway.Client{ID: "192.0.2.1", Anonymous: true, Identified: true}
		p.step()
		p.carry = renaming()
		p.step()
		w.wantSent(w.issued()[0], "", "")
		p.step()
		w.wantSent(w.issued()[0], "", "", sentinel, "", "")
	})
}

func TestLostSignaturesAreDoneWithout(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.step()
		w.reconfigure() // with nothing kept
		p.step()
		w.wantSent(sentinel, "", "")
		p.step()
		w.wantSent(sentinel, "", "", w.issued()[1], "", "")
		w.wantCalls("", 3)
		w.wantHealthy()
	})
}

func TestSignaturesOutliveAGateway(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.options.Signatures = signatures.NewCache()
		w.key(1)
		w.start()
		p := w.program()
		p.step()
		w.reconfigure()
		p.step()
		w.wantSent(w.issued()[0], "", "")
	})
}

// gemini-cli: Vertex and the Developer API cannot read each other's signatures
func TestSignaturesStayWithTheirClassOfBackend(t *testing.T) {
	for name, carry := range map[string]func(conformance.Message) map[string]any{"kept": nil, "carried": faithful} {
		t.Run(name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				w.key(1)
				w.user(2)
				w.start()
				p := w.program()
				p.carry = carry
				p.step()
				w.script("key-1", googlesim.RateMinute(model, 37*time.Second))
				p.step()
				w.wantCalls("user-2", 1)
				w.wantSent(sentinel, "", "")
				time.Sleep(time.Minute)
				p.step()
				w.wantCalls("key-1", 3)
				w.wantSent(w.issued()[0], "", "", sentinel, "", "")
			})
		})
	}
}

// agentgateway#3342
func TestSignaturesComeBackThroughClientsThatCarryThem(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.carry = faithful
		for i, c := range p.step().ToolCalls {
			if signed := c.ExtraContent.Google.ThoughtSignature != ""; signed != (i == 0) {
				w.Errorf("call %d is signed: %v", i, signed)
			}
			if len(c.ID) > 40 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				w.Errorf("id %q", c.ID)
			}
		}
		w.reconfigure()
		p.step()
		w.wantSent(w.issued()[0], "", "")
		w.reconfigure()
		if p.step().ExtraContent.Google.ThoughtSignature == "" {
			w.Error("the text is not signed")
		}
		p.hear("user", "Thanks.")
		w.reconfigure()
		p.step()
		signed := w.issued()
		w.wantSent(signed[0], "", "", signed[1], "", "")
		if n := strings.Count(w.lastBody(), `"thoughtSignature"`); n != 3 {
			w.Errorf("%d signatures were sent back, want those of two calls and a text: %s", n, w.lastBody())
		}
		w.wantCalls("", 4)
	})
}

func TestSignaturesFromElsewhere(t *testing.T) {
	tests := []struct {
		name   string
		vertex bool
		carry  func(first, second map[string]any, signature string) // changes two parallel calls
		want   func(signature string) []string
	}{
		{
			name:  "raw",
			carry: func(first, _ map[string]any, s string) { first["extra_content"] = extraContent(s) },
			want:  func(s string) []string { return []string{s, ""} },
		}, {
			name:  "litellm#32545: in the id, which the result is paired by",
			carry: func(first, _ map[string]any, s string) { first["id"] = first["id"].(string) + "__thought__" + s },
			want:  func(s string) []string { return []string{s, ""} },
		}, {
			name:  "gemini-cli-openai: in the id",
			carry: func(first, _ map[string]any, s string) { first["id"] = first["id"].(string) + "__sig__" + s },
			want:  func(s string) []string { return []string{s, ""} },
		}, {
			name:  "proxypal#146: another provider's",
			carry: func(first, _ map[string]any, s string) { first["extra_content"] = extraContent("claude#" + s) },
			want:  func(string) []string { return []string{sentinel, ""} },
		}, {
			name:  "antigravity-claude-proxy#18: no base64",
			carry: func(first, _ map[string]any, _ string) { first["extra_content"] = extraContent("not base64!") },
			want:  func(string) []string { return []string{sentinel, ""} },
		}, {
			name: "too long",
			carry: func(first, _ map[string]any, _ string) {
				first["extra_content"] = extraContent(strings.Repeat("AAAA", 8<<10+1))
			},
			want: func(string) []string { return []string{sentinel, ""} },
		}, {
			name:   "gemini-cli: of the other class of backend",
			vertex: true,
			carry:  func(first, _ map[string]any, s string) { first["extra_content"] = extraContent("gt1.g." + s) },
			want:   func(string) []string { return []string{sentinel, ""} },
		}, {
			name: "vercel#17649: a parallel call's is nothing, and stays so",
			carry: func(first, second map[string]any, s string) {
				first["thoughtSignature"], second["thoughtSignature"] = s, ""
			},
			want: func(s string) []string { return []string{s, ""} },
		}, {
			name: "what stands for a signature",
			carry: func(first, second map[string]any, _ string) {
				first["extra_content"], second["extra_content"] = extraContent(sentinel), extraContent(sentinel)
			},
			want: func(string) []string { return []string{sentinel, ""} },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(w *world, _ func() *answer) {
				if tt.vertex {
					w.user(1)
				} else {
					w.key(1)
				}
				w.start()
				w.program().step()
				issued := w.issued()[0]
				call := func(id string) map[string]any {
					return map[string]any{"id": id, "type": "function", "function": map[string]any{"name": "f", "arguments": "{}"}}
				}
				first, second := call("call_1"), call("call_2")
				tt.carry(first, second, issued)
				p := w.program()
				p.messages = append(p.messages, map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{first, second}},
					map[string]any{"role": "tool", "tool_call_id": second["id"], "content": "done"},
					map[string]any{"role": "tool", "tool_call_id": first["id"], "content": "done"})
				p.step()
				w.wantSent(tt.want(issued)...)
				w.wantCalls("", 2)
				if strings.Contains(w.lastBody(), "Tool result missing") {
					w.Errorf("results were not paired with their calls: %s", w.lastBody())
				}
			})
		})
	}
}

// Older models sign calls too when they think, and insist on nothing.
func TestOlderModelsGetNothingInstead(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.body["model"] = "gemini-2.5-flash"
		p.step()
		p.step()
		w.wantSent(w.issued()[0], "", "")
		w.reconfigure()
		p.step()
		if strings.Contains(w.lastBody(), sentinel) {
			w.Errorf("Google was sent %s", w.lastBody())
		}
	})
}

// In the form that has no ids a call is known by what it says.
func TestSignaturesComeBackInTheFormOfBefore2023(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		var functions []any
		for _, tool := range p.body["tools"].([]any) {
			functions = append(functions, tool.(map[string]any)["function"])
		}
		delete(p.body, "tools")
		p.body["functions"] = functions
		p.messages = nil
		p.hear("user", "What is the weather in Paris?")
		p.carry = func(m conformance.Message) map[string]any {
			f := m.FunctionCall
			if f == nil {
				return forgetful(m)
			}
			return map[string]any{"role": "assistant", "content": nil, "function_call": map[string]any{"name": f.Name, "arguments": f.Arguments}}
		}
		p.step()
		p.messages = append(p.messages, map[string]any{"role": "function", "name": "get_weather", "content": "fine"})
		p.step()
		w.wantSent(w.issued()[0])
	})
}

// Each answer is known by the ids the client got, however many were asked for.
func TestSignaturesOfSeveralAnswersComeBack(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.start()
		p := w.program()
		p.client.Anonymous = true // by nothing but ids
		p.body["n"] = 2
		p.step()
		signed := w.issued()
		delete(p.body, "n")
		p.step()
		w.wantSent(signed[1], "", "")
	})
}

// A signature that Google refuses is given up for the rest of the conversation, wherever it came from.
func TestKeptSignaturesAreGivenUpOnceRefused(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.options.Lessons = gemini.NewLessons()
		w.key(1)
		w.start()
		p := w.program()
		p.step()
		w.script("", googlesim.BadRequest("Corrupted thought signature."))
		p.step()
		w.wantCalls("", 3)
		w.wantSent(sentinel, "", "")
		p.step()
		w.wantCalls("", 4)
		w.wantSent(sentinel, "", "", w.issued()[1], "", "")
		w.wantHealthy()
	})
}

// A fallback of another family cannot read what the first choice has signed.
func TestSignaturesAreNotForAnotherFamily(t *testing.T) {
	both(t, func(w *world, _ func() *answer) {
		w.key(1)
		w.options.Models = []gateway.Model{{Name: model, Fallback: []string{"gemini-4-argon"}}}
		w.start()
		p := w.program()
		p.step()
		w.script("", googlesim.RateMinute(model, 37*time.Second))
		p.step()
		w.wantCalls("", 3)
		w.wantSent(sentinel, "", "")
	})
}
