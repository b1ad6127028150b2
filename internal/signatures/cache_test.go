package signatures

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gemini-proxy/caddy-gemini-proxy/translate"
)

var alice = Tenant{ID: "alice"}

func sig(value string) translate.Signature {
	return translate.Signature{Origin: translate.OriginGeminiAPI, Family: "3", Value: value}
}

// both are the keys of a call of alice's.
func both(id string) [2]Key { return [2]Key{ByID(alice, id), ByContent(alice, &Call{Name: id})} }

func TestASignatureIsFoundByEitherOfItsKeys(t *testing.T) {
	c := NewCache()
	if !c.Empty() {
		t.Error("a new cache is not empty")
	}
	if got := c.Find(ByID(alice, "a")); !got.IsZero() {
		t.Errorf("found %+v in an empty cache", got)
	}
	c.Keep(sig("A"), both("a"))
	c.Keep(sig("B"), [2]Key{ByID(alice, "b")})
	if c.Empty() {
		t.Error("the cache is empty still")
	}
	for key, want := range map[Key]translate.Signature{
		both("a")[0]: sig("A"), both("a")[1]: sig("A"), both("b")[0]: sig("B"), both("b")[1]: {}, {}: {},
	} {
		if got := c.Find(key); got != want {
			t.Errorf("found %+v, want %+v", got, want)
		}
	}
}

func TestWhatCannotBeOfUseIsNotKept(t *testing.T) {
	c := NewCache()
	c.Keep(translate.Signature{}, both("a"))
	c.Keep(sig(strings.Repeat("A", translate.MaxSignature+1)), both("b"))
	c.Keep(sig("A"), [2]Key{})
	if !c.Empty() || c.order.Len() != 0 {
		t.Errorf("%d entries", c.order.Len())
	}
}

func TestTheLatestSignatureUnderAKeyCounts(t *testing.T) {
	c := NewCache()
	same := ByContent(alice, &Call{Name: "f"})
	c.Keep(sig("old"), [2]Key{ByID(alice, "1"), same})
	c.Keep(sig("new"), [2]Key{ByID(alice, "2"), same})
	if got := c.Find(same); got != sig("new") {
		t.Errorf("found %+v", got)
	}
	if got := c.Find(ByID(alice, "1")); got != sig("old") {
		t.Errorf("the one before is not found by its own key: %+v", got)
	}
	c.forget(c.byKey[ByID(alice, "1")])
	if got := c.Find(same); got != sig("new") {
		t.Errorf("when the one before was forgotten, so was this: %+v", got)
	}
}

func TestSignaturesAreForgottenADayAfterTheyWereLastOfUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache()
		c.Keep(sig("A"), both("a"))
		c.Keep(sig("B"), both("b"))
		for range 3 {
			time.Sleep(life - time.Second)
			if got := c.Find(ByID(alice, "a")); got != sig("A") {
				t.Fatalf("found %+v before its time was over", got)
			}
		}
		if got := c.Find(ByID(alice, "b")); !got.IsZero() {
			t.Errorf("found %+v after its time", got)
		}
		time.Sleep(life + time.Second)
		c.Keep(sig("C"), both("c")) // what is over makes room
		if c.order.Len() != 1 || len(c.byKey) != 2 || c.bytes != len("C")+upkeep {
			t.Errorf("%d entries under %d keys, of %d bytes", c.order.Len(), len(c.byKey), c.bytes)
		}
	})
}

func TestTheLeastUsefulSignaturesMakeRoom(t *testing.T) {
	c := NewCache()
	c.limit = 3 * (upkeep + 1)
	for _, id := range []string{"a", "b", "c"} {
		c.Keep(sig(id), both(id))
	}
	c.Find(ByID(alice, "a"))
	c.Keep(sig("d"), both("d"))
	for id, want := range map[string]string{"a": "a", "b": "", "c": "c", "d": "d"} {
		for _, key := range both(id) {
			if got := c.Find(key); got.Value != want {
				t.Errorf("%s: found %q, want %q", id, got.Value, want)
			}
		}
	}
	c.Keep(sig("long"), both("e"))
	if c.bytes > c.limit || c.order.Len() != 2 || len(c.byKey) != 4 {
		t.Errorf("%d bytes in %d entries under %d keys", c.bytes, c.order.Len(), len(c.byKey))
	}
}

// The bound is on what the process pays, not just on what the signatures are long.
func TestMemoryIsBounded(t *testing.T) {
	for _, length := range []int{8, 1500} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c := NewCache()
		c.limit = 8 << 20
		for i := range 3 * c.limit / (length + upkeep) {
			value := fmt.Sprintf("%0*d", length, i)
			c.Keep(sig(value), both(value))
			if c.bytes > c.limit {
				t.Fatalf("%d bytes are kept, which is more than %d", c.bytes, c.limit)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := int(after.HeapAlloc - before.HeapAlloc)
		if t.Logf("signatures of %d bytes: %d KiB for %d", length, used>>10, c.limit>>10); used > c.limit*5/4 || c.order.Len() < c.limit/(length+upkeep)/2 {
			t.Errorf("signatures of %d bytes take %d bytes, want %d at most", length, used, c.limit)
		}
		runtime.KeepAlive(c)
	}
}

func TestManyUseACacheAtOnce(t *testing.T) {
	c := NewCache()
	c.limit = 20 * upkeep
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 500 {
				id := fmt.Sprint(n*i%50, "-", i%7)
				c.Keep(sig(id), both(id))
				if got := c.Find(both(id)[i%2]); !got.IsZero() && got != sig(id) {
					t.Errorf("found %+v under the key of %s", got, id)
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.byKey); c.bytes > c.limit || n > 2*c.order.Len() {
		t.Errorf("%d bytes in %d entries under %d keys", c.bytes, c.order.Len(), n)
	}
}

func BenchmarkKeep(b *testing.B) {
	c, s := NewCache(), sig(strings.Repeat("A", 1500))
	b.ReportAllocs()
	for b.Loop() {
		c.Keep(s, [2]Key{ByID(alice, "call_gp0123456789012345678901"), {1}})
	}
}

func BenchmarkFind(b *testing.B) {
	c := NewCache()
	c.Keep(sig("A"), both("call_gp0123456789012345678901"))
	b.ReportAllocs()
	for b.Loop() {
		if c.Find(ByID(alice, "call_gp0123456789012345678901")).IsZero() {
			b.Fatal("not found")
		}
	}
}
