package host

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/sockets"
)

func TestSocketRules(t *testing.T) {
	addr := netip.MustParseAddrPort
	for name, tc := range map[string]struct {
		rules  []string
		access sockets.Access
		allow  bool
	}{
		"nothing allowed":         {nil, sockets.Access{Use: sockets.TCPConnect, Addr: addr("10.0.0.1:80")}, false},
		"address":                 {[]string{"tcp://10.0.0.1:80"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("10.0.0.1:80")}, true},
		"mapped address":          {[]string{"tcp://10.0.0.1:80"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("[::ffff:10.0.0.1]:80")}, true},
		"other port":              {[]string{"tcp://10.0.0.1:80"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("10.0.0.1:81")}, false},
		"any port":                {[]string{"tcp://10.0.0.1:*"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("10.0.0.1:81")}, true},
		"other protocol":          {[]string{"udp://10.0.0.1:80"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("10.0.0.1:80")}, false},
		"network":                 {[]string{"udp://10.0.0.0/8:53"}, sockets.Access{Use: sockets.UDPSend, Addr: addr("10.9.9.9:53")}, true},
		"outside of the network":  {[]string{"udp://10.0.0.0/8:53"}, sockets.Access{Use: sockets.UDPSend, Addr: addr("11.9.9.9:53")}, false},
		"any host":                {[]string{"tcp://*:443"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("[2001:db8::1]:443")}, true},
		"name":                    {[]string{"tcp://db.example.com:5432"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("192.0.2.1:5432"), Names: []string{"db.example.com"}}, true},
		"address of another name": {[]string{"tcp://db.example.com:5432"}, sockets.Access{Use: sockets.TCPConnect, Addr: addr("192.0.2.1:5432"), Names: []string{"evil.example.com"}}, false},
		"look up":                 {[]string{"tcp://db.example.com:5432"}, sockets.Access{Use: sockets.Resolve, Names: []string{"db.example.com"}}, true},
		"look up another name":    {[]string{"tcp://db.example.com:5432"}, sockets.Access{Use: sockets.Resolve, Names: []string{"x.example.com"}}, false},
		"look up for a listener":  {[]string{"tcp-listen://127.0.0.1:9000"}, sockets.Access{Use: sockets.Resolve, Names: []string{"x.example.com"}}, false},
		"look up for an address":  {[]string{"tcp://10.0.0.1:80"}, sockets.Access{Use: sockets.Resolve, Names: []string{"x.example.com"}}, false},
		"listen":                  {[]string{"tcp-listen://127.0.0.1:9000"}, sockets.Access{Use: sockets.TCPBind, Addr: addr("127.0.0.1:9000")}, true},
		"listen elsewhere":        {[]string{"tcp-listen://127.0.0.1:9000"}, sockets.Access{Use: sockets.TCPBind, Addr: addr("0.0.0.0:9000")}, false},
		"connect is not listen":   {[]string{"tcp://127.0.0.1:9000"}, sockets.Access{Use: sockets.TCPBind, Addr: addr("127.0.0.1:9000")}, false},
		"bind to send":            {[]string{"udp://*:53"}, sockets.Access{Use: sockets.UDPBind, Addr: addr("0.0.0.0:0")}, true},
		"bind without a rule":     {nil, sockets.Access{Use: sockets.UDPBind, Addr: addr("0.0.0.0:0")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &manifest.App{Header: manifest.Header{Metadata: manifest.Meta{Name: "orders"}}}
			spec.Spec.Allow.Sockets = tc.rules
			rules, err := newSocketRules(spec, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			err = rules.allow(context.Background(), tc.access)
			if (err == nil) != tc.allow {
				t.Fatalf("allowed = %v (%v), want %v", err == nil, err, tc.allow)
			}
			if err == nil {
				return
			}
			// What the message says to add has to be enough.
			_, line, _ := strings.Cut(err.Error(), `["`)
			spec.Spec.Allow.Sockets = []string{strings.TrimSuffix(line, `"]`)}
			if rules, err = newSocketRules(spec, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if err := rules.allow(context.Background(), tc.access); err != nil {
				t.Errorf("the rule of the message, %s, does not allow it: %v", spec.Spec.Allow.Sockets, err)
			}
		})
	}
}
