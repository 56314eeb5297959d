package sockets

import (
	"strings"
	"testing"
)

// FuzzHostName: what is looked up, and shown to Config.Allow, is a plain name in its one form.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"example.com", "EXAMPLE.com.", "bücher.example", "a_b", "x..y", "127.0.0.1", "a\x00b", "[::1]", "host:80", "ⅷ.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, ok := hostName(name)
		if !ok {
			return
		}
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || len(got) > 253 || strings.HasPrefix(got, ".") {
			t.Errorf("%q: got %q, which is no name", name, got)
		}
		if again, ok := hostName(got); !ok || again != got {
			t.Errorf("%q: got %q and of that %q %v, want the same", name, got, again, ok)
		}
	})
}
