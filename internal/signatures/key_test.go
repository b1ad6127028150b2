package signatures

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestKeysTellCallsAndTenantsApart(t *testing.T) {
	stranger := Tenant{ID: "192.0.2.1", Anonymous: true}
	call := func(set func(*Call)) Key {
		c := Call{Family: "3", Context: 1, Ordinal: 1, Name: "f", Args: []byte(`{}`)}
		set(&c)
		return ByContent(alice, &c)
	}
	spelled := appendText(nil, "3")
	spelled = binary.BigEndian.AppendUint64(spelled, 1)
	spelled = binary.BigEndian.AppendUint64(spelled, 1)
	spelled = append(appendText(spelled, "f"), `{}`...)
	keys := map[string]Key{
		"id":                               ByID(alice, "a"),
		"an id that spells the content":    ByID(alice, string(spelled)),
		"another id":                       ByID(alice, "b"),
		"a long id":                        ByID(alice, strings.Repeat("a", 1000)),
		"another tenant's":                 ByID(Tenant{ID: "bob"}, "a"),
		"a tenant whose name goes on":      ByID(Tenant{ID: "alicea"}, ""),
		"one whose name is as much longer": ByID(Tenant{ID: "alic"}, "ea"),
		"an address":                       ByID(stranger, "a"),
		"a user named like an address":     ByID(Tenant{ID: stranger.ID}, "a"),
		"content":                          call(func(*Call) {}),
		"another family":                   call(func(c *Call) { c.Family = "4" }),
		"another context":                  call(func(c *Call) { c.Context++ }),
		"another ordinal":                  call(func(c *Call) { c.Ordinal++ }),
		"another name":                     call(func(c *Call) { c.Name = "g" }),
		"other arguments":                  call(func(c *Call) { c.Args = []byte(`{"a":1}`) }),
		"name and arguments run together":  call(func(c *Call) { c.Name, c.Args = "f{", []byte(`}`) }),
		"another tenant's content":         ByContent(Tenant{ID: "bob"}, &Call{Family: "3", Context: 1, Ordinal: 1, Name: "f", Args: []byte(`{}`)}),
	}
	seen := map[Key]string{}
	for name, key := range keys {
		if key == (Key{}) != (name == "a tenant whose name goes on") { // its call has no id
			t.Errorf("%s: the key is %x", name, key)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", name, other)
		}
		seen[key] = name
	}
	if ByID(alice, "a") != keys["id"] || call(func(*Call) {}) != keys["content"] {
		t.Error("the same call has another key")
	}
}
