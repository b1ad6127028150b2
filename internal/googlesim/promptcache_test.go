package googlesim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// textOf is a part whose text has that many tokens.
func textOf(letter string, tokens int) string {
	return fmt.Sprintf(`{"text":%q}`, strings.Repeat(letter, 4*tokens))
}

// cacheAsker asks a model on behalf of keys and tells what was cached.
type cacheAsker struct {
	*testServer
	t *testing.T
}

func newCacheAsker(t *testing.T, c *clock) cacheAsker {
	s := newTestServer(t, Options{Now: c.Now})
	s.AddKey("key", "p")
	s.AddKey("sibling", "p")
	s.AddKey("stranger", "q")
	s.addCloudUser("user", "p")
	return cacheAsker{s, t}
}

func (a cacheAsker) want(cached int, key, model, body string) {
	a.t.Helper()
	got := a.post(a.t, "/v1beta/models/"+model+":generateContent", withKey(key), body)
	if got.status != 200 {
		a.t.Fatalf("%d: %s", got.status, got.body)
	}
	u := decode[response](a.t, got.body).UsageMetadata
	if u.CachedContentTokenCount != cached {
		a.t.Errorf("%d tokens of %d cached, want %d", u.CachedContentTokenCount, u.PromptTokenCount, cached)
	}
	if details := u.CacheTokensDetails; cached == 0 && details != nil || cached > 0 && (len(details) != 1 ||
		details[0] != modalityCount{"TEXT", cached}) {
		a.t.Errorf("details %v", details)
	}
	if u.TotalTokenCount != u.PromptTokenCount+u.CandidatesTokenCount+u.ThoughtsTokenCount || u.PromptTokenCount < cached {
		a.t.Errorf("usage %+v", u)
	}
}

// TestPromptCache checks whose prompts are found again, and how much of them.
func TestPromptCache(t *testing.T) {
	system := `"systemInstruction":{"parts":[` + textOf("s", 600) + `]}`
	tools := `"tools":[{"functionDeclarations":[` + weather + `]}]`
	said := `{"role":"model","parts":[` + textOf("m", 10) + `]}`
	first := `{` + system + `,` + tools + `,"contents":[` + user(textOf("a", 700)) + `]}`
	second := `{` + tools + `,"contents":[` + user(textOf("a", 700)) + `,` + said + `,` + user(textOf("b", 50)) + `],` + system + `}`
	prompt := countTokens(mustParse(t, first))

	t.Run("grows with the conversation", func(t *testing.T) {
		a := newCacheAsker(t, noon())
		a.want(0, "key", three, first)
		a.want(prompt/cacheBlock*cacheBlock, "key", three, second) // however the fields are ordered
		a.want((prompt+60)/cacheBlock*cacheBlock, "key", three, second)
	})
	t.Run("is the project's, not the key's", func(t *testing.T) {
		a := newCacheAsker(t, noon())
		a.want(0, "key", three, first)
		a.want(prompt/cacheBlock*cacheBlock, "sibling", three, first)
		a.want(0, "stranger", three, first)
	})
	t.Run("is the model's", func(t *testing.T) {
		a := newCacheAsker(t, noon())
		a.want(0, "key", three, first)
		a.want(0, "key", two, first)
	})
	t.Run("is a prefix", func(t *testing.T) {
		a := newCacheAsker(t, noon())
		a.want(0, "key", three, first)
		a.want(0, "key", three, strings.Replace(first, "get_weather", "get_whether", 1)) // the tools come before all else
		a.want(tokensOf(textSize(mustParse(t, `{`+system+`,`+tools+`}`)))/cacheBlock*cacheBlock, "key", three,
			strings.Replace(first, "aa", "ab", 1))
	})
	t.Run("is forgotten", func(t *testing.T) {
		c := noon()
		a := newCacheAsker(t, c)
		a.want(0, "key", three, first)
		c.now = c.now.Add(cacheLifetime - time.Second)
		a.want(prompt/cacheBlock*cacheBlock, "key", three, first) // and kept for as long again
		c.now = c.now.Add(cacheLifetime - time.Second)
		a.want(prompt/cacheBlock*cacheBlock, "key", three, first)
		c.now = c.now.Add(cacheLifetime)
		a.want(0, "key", three, first)
	})
	t.Run("is not for short prompts", func(t *testing.T) {
		a := newCacheAsker(t, noon())
		for _, one := range []struct{ tokens, cached int }{{cacheMinimum - 1, 0}, {cacheMinimum, cacheMinimum}} {
			body := talk(user(textOf("x", one.tokens)))
			a.want(0, "key", three, body)
			a.want(one.cached, "key", three, body)
		}
	})
	t.Run("is not filled by what is refused", func(t *testing.T) {
		c := noon()
		a := newCacheAsker(t, c)
		a.SetLimits("p", three, Limits{RPM: 1})
		a.want(0, "key", three, talk(user(hello)))
		if got := a.post(t, "/v1beta/models/"+three+":generateContent", withKey("key"), first); got.status != 429 {
			t.Fatal(got.body)
		}
		c.now = c.now.Add(time.Minute)
		a.want(0, "key", three, first)
	})
	t.Run("is told at the end of a stream", func(t *testing.T) {
		for _, b := range []Backend{Developer, Vertex, CodeAssist} {
			a := newCacheAsker(t, noon())
			a.ask(t, ruleCase{backend: b, model: three}, talk(user(textOf("x", 2048))))
			got := a.ask(t, ruleCase{backend: b, model: three}, talk(user(textOf("x", 2048))))
			if !strings.Contains(got.body, `"cachedContentTokenCount": 2048`) {
				t.Errorf("%s: %s", b, got.body)
			}
		}
	})
}

func mustParse(t *testing.T, text string) *node {
	t.Helper()
	n, refused := parseJSON([]byte(text))
	if refused != nil {
		t.Fatal(refused)
	}
	return n
}

// TestPromptCacheIsBounded checks that of too many prefixes those are forgotten that were not used for the longest time.
func TestPromptCacheIsBounded(t *testing.T) {
	var p promptCache
	p.init()
	now := noon().now
	for key := range uint64(cachePrefixes) {
		p.renew(key, now)
	}
	p.renew(0, now)
	p.renew(cachePrefixes, now)
	if len(p.entries) != cachePrefixes || p.recent.Len() != cachePrefixes {
		t.Errorf("%d entries, %d in order", len(p.entries), p.recent.Len())
	}
	if !p.renew(0, now) || !p.renew(cachePrefixes, now) || p.renew(1, now) {
		t.Error("what was used last is forgotten, or what was not is kept")
	}
}
