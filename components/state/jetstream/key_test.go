package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

func TestSubjects(t *testing.T) {
	for _, test := range []struct{ strategy, component, key, want string }{
		// As Dapr writes them.
		{"", "s", "app||order", "app.order"},
		{"appid", "s", "my-app||order.1/x_y=z", "my-app.order.1/x_y=z"},
		{"name", "s", "s||order", "s.order"},
		{"name", "my.store", "my.store||order", "my.store.order"},
		{"namespace", "s", "ns.app||order.1", "ns.app.order.1"},
		{"Team.A", "s", "team.a||order", "team.a.order"},
		{"none", "s", "order.1", "order.1"},
		// What key-value clients do not take.
		{"", "s", "app||a b", "app.a%20b"},
		{"", "s", "app||100%", "app.100%25"},
		{"", "s", "app||ü*>|", "app.%C3%BC%2A%3E%7C"},
		{"", "s", "app||.a..b.", "app.%2Ea.%2Eb%2E"},
		{"", "s", "app||.", "app.%2E"},
		{"none", "s", "a||b", "a%7C%7Cb"},
		// What Dapr would put in the place of another key.
		{"", "s", "my.app||order", "my%2Eapp%7C%7Corder"},
		{"", "s", "a.b", "a%2Eb"},
		{"namespace", "s", "app||order.1", "app%7C%7Corder%2E1"},
		{"namespace", "s", ".app||x", "%2Eapp%7C%7Cx"},
		{"", "s", "app||type||id||key", "app.type%7C%7Cid%7C%7Ckey"},
		{"", "s", "||x", "%7C%7Cx"},
		{"", "s", "app||", "app.%"},
	} {
		c := newCodec(test.strategy, test.component)
		got, err := c.encode(test.key)
		if err != nil || got != test.want {
			t.Errorf("%s: %q: got %q, error %v, want %q", test.strategy, test.key, got, err, test.want)
		}
		if back, ok := c.decode(got); !ok || back != test.key {
			t.Errorf("%s: %q: decoded %q, %t, want %q", test.strategy, got, back, ok, test.key)
		}
	}
	for _, bad := range []string{"", strings.Repeat("k", maxSubject+1), strings.Repeat(" ", maxSubject/3+1)} {
		if _, err := (codec{}).encode(bad); !errors.Is(err, state.ErrInvalidKey) {
			t.Errorf("key of %d bytes: got error %v, want %v", len(bad), err, state.ErrInvalidKey)
		}
	}
	for _, foreign := range []string{"a%", "a%zz", "a%2eb", "a%41", "a%2Eb.c", "%", "a.b%"} {
		if key, ok := (codec{}).decode(foreign); ok {
			t.Errorf("%q, which no key becomes, is decoded as %q", foreign, key)
		}
	}
}

// FuzzKeys: every key comes back, and what it becomes is a subject below the bucket and matches its filter.
func FuzzKeys(f *testing.F) {
	for _, key := range []string{"app||order", "a.b||c.d", "", "||", "a||b||c", "%2E", "a..b", "\xff\x00", "app||."} {
		for dots := range int8(3) {
			f.Add(dots-1, key)
		}
	}
	f.Fuzz(func(t *testing.T, dots int8, key string) {
		c := codec{dots: max(-1, int(dots))}
		part, err := c.encode(key)
		if err != nil {
			return
		}
		for token := range strings.SplitSeq(part, ".") {
			if token == "" || strings.ContainsAny(token, "*> \t\r\n\x00") {
				t.Fatalf("key %q becomes %q, which is no subject", key, part)
			}
		}
		if back, ok := c.decode(part); !ok || back != key {
			t.Fatalf("key %q becomes %q, which becomes %q, %t", key, part, back, ok)
		}
		for i := range len(key) + 1 {
			if filter := c.filter(key[:i]); filter != ">" && !strings.HasPrefix(part, strings.TrimSuffix(filter, ">")) {
				t.Fatalf("key %q becomes %q, which does not match %q, the filter of prefix %q", key, part, filter, key[:i])
			}
		}
	})
}

func TestSmallest(t *testing.T) {
	s := smallest{limit: 3}
	for key := range strings.SplitSeq("h b b g a f c e d a b c a", " ") {
		s.add(key)
	}
	if got := s.sorted(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q", got)
	}
}
