package fetch

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"code.dny.dev/ssrf"
)

var errPassed = errors.New("the guard lets it pass")

// guarded is the guard in front of nothing: what it lets pass ends in errPassed, so that no test reaches anybody.
func guarded(resolver *net.Resolver) *net.Dialer {
	d := Public(resolver)
	judge := d.Control
	d.Control = func(network, address string, c syscall.RawConn) error {
		if err := judge(network, address, c); err != nil {
			return err
		}
		return errPassed
	}
	return d
}

// inside are addresses that are not the public's, each of another kind.
var inside = []string{
	"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
	"192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
	"2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "2001:db8::1", "100::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1",
}

var outside = []string{"8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"}

func TestOnlyPublicAddressesAreDialed(t *testing.T) {
	dial := func(address, port string) error {
		_, err := guarded(nil).DialContext(t.Context(), "tcp", net.JoinHostPort(address, port))
		return err
	}
	for _, address := range inside {
		for _, port := range []string{"80", "443"} {
			if err := dial(address, port); !errors.Is(err, ssrf.ErrProhibitedIP) {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	for _, address := range outside {
		if err := dial(address, "443"); !errors.Is(err, errPassed) {
			t.Errorf("%s: %v", address, err)
		}
		if err := dial(address, "22"); !errors.Is(err, ssrf.ErrProhibitedPort) {
			t.Errorf("%s, port 22: %v", address, err)
		}
	}
}

func TestANameIsJudgedByTheAddressItLeadsTo(t *testing.T) {
	for _, address := range inside {
		addr := netip.MustParseAddr(address)
		if addr.Is4In6() {
			continue // a name server would have to say so in an AAAA record, and Go dials it as the IPv4 address it holds: as above
		}
		_, err := guarded(names(t, func(string) []netip.Addr { return []netip.Addr{addr} })).DialContext(t.Context(), "tcp", "pictures.example.:80")
		if !errors.Is(err, ssrf.ErrProhibitedIP) {
			t.Errorf("%s: %v", address, err)
		}
	}
	public := names(t, func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(outside[0])} })
	if _, err := guarded(public).DialContext(t.Context(), "tcp", "pictures.example.:80"); !errors.Is(err, errPassed) {
		t.Errorf("%v", err)
	}
}

// What a name stood for the first time does not count the second time.
func TestANameThatChangesItsMindIsNoWayIn(t *testing.T) {
	asked := 0
	rebinding := names(t, func(string) []netip.Addr {
		asked++
		return []netip.Addr{netip.MustParseAddr([]string{outside[0], "127.0.0.1"}[min(asked-1, 1)])}
	})
	d := guarded(rebinding)
	for i, want := range []error{errPassed, ssrf.ErrProhibitedIP} {
		if _, err := d.DialContext(t.Context(), "tcp4", "pictures.example.:80"); !errors.Is(err, want) {
			t.Errorf("dial %d: %v", i, err)
		}
	}
}

func TestURLsThatAreNotAskedFor(t *testing.T) {
	for text, want := range map[string]string{
		"file:///etc/passwd":                 "http or https",
		"ftp://pictures.example/a":           "http or https",
		"gopher://pictures.example/a":        "http or https",
		"javascript:alert(1)":                "http or https",
		"//pictures.example/a":               "http or https",
		"a.png":                              "http or https",
		"http:///a.png":                      "no host",
		"https://:443/a.png":                 "no host",
		"https://user:word@pictures.example": "user name",
		"https://user@pictures.example":      "user name",
		"http://pictures.example:22/":        "port",
		"http://pictures.example:8080/":      "port",
		"http://exa mple.com/":               "not a URL",
		"http://pictures.example/\r\nX: y":   "not a URL",
		"http://[::1/":                       "not a URL",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something about %q", text, err, want)
		}
	}
	for _, text := range []string{"http://pictures.example", "HTTPS://pictures.example:443/a?b#c", "http://pictures.example:80/"} {
		if _, err := parse(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// names is a resolver whose name server is a function.
func names(t testing.TB, lookup func(name string) []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			if err := answerName(there, lookup); err != nil {
				t.Error(err)
			}
		}()
		return here, nil
	}}
}

// answerName answers one question of DNS over TCP. A name has addresses of the family asked for, or none.
func answerName(c net.Conn, lookup func(name string) []netip.Addr) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return err
	}
	var name []string
	end := 12 // after the header: the labels of the name, the type and the class
	for query[end] != 0 {
		label := query[end+1 : end+1+int(query[end])]
		name, end = append(name, string(label)), end+1+len(label)
	}
	kind := query[end+2]
	answer := append([]byte{}, query[:end+5]...)
	answer[2], answer[3] = 0x81, 0x80 // a response; recursion was asked for and done
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	for _, addr := range lookup(strings.Join(name, ".")) {
		if wanted := map[bool]byte{true: 1, false: 28}[addr.Is4()]; kind != wanted {
			continue
		}
		answer[7]++
		answer = append(answer, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8)) // the name as above, for zero seconds
		answer = append(answer, addr.AsSlice()...)
	}
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}
