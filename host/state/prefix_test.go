package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func TestKeyPrefix(t *testing.T) {
	for _, tc := range []struct{ strategy, app, namespace, want string }{
		{"", "orders", "", "orders||"},
		{"appid", "orders", "prod", "orders||"},
		{"AppID", "orders", "prod", "orders||"},
		{"name", "orders", "prod", "mystore||"},
		{"name", "", "", "mystore||"},
		{"namespace", "orders", "prod", "prod.orders||"},
		{"namespace", "orders", "", "orders||"},
		{"none", "orders", "prod", ""},
		{"Shared", "orders", "prod", "shared||"},
		{"", "", "prod", ""},
		{"namespace", "", "prod", ""},
		{"shared", "", "", "shared||"},
	} {
		metadata := component.Metadata{}
		if tc.strategy != "" {
			metadata["KeyPrefix"] = tc.strategy
		}
		got, err := keyPrefix(metadata, "mystore", tc.app, tc.namespace)
		if err != nil || got != tc.want {
			t.Errorf("keyPrefix %q for app %q in namespace %q: got %q, error %v, want %q", tc.strategy, tc.app, tc.namespace, got, err, tc.want)
		}
	}
	_, err := keyPrefix(component.Metadata{"keyPrefix": "a||b"}, "s", "a", "")
	const want = `metadata field keyPrefix: want appid, name, namespace, none or a text without ||, found "a||b"`
	if err == nil || err.Error() != want {
		t.Errorf("keyPrefix a||b: got error %v, want %q", err, want)
	}
}

func TestCheckKey(t *testing.T) {
	for key, want := range map[string]string{
		"a":                           "",
		"a|b":                         "",
		"ä/\x00%":                     "",
		"":                            "invalid key: the key is empty",
		"a||b":                        "invalid key: input key/keyPrefix 'a||b' can't contain '||'",
		"||":                          "invalid key: input key/keyPrefix '||' can't contain '||'",
		strings.Repeat("k", MaxKey):   "",
		strings.Repeat("k", MaxKey+1): "invalid key: the key has 65537 bytes, more than 65536",
	} {
		err := checkKey(key)
		if (err == nil) != (want == "") || err != nil && (err.Error() != want || !errors.Is(err, ErrInvalidKey)) {
			t.Errorf("key of %d bytes %.20q: got error %v, want %q", len(key), key, err, want)
		}
	}
}

func TestPageToken(t *testing.T) {
	for _, key := range []string{"app||a", "app||", "app||\x00\xff", "app||漢"} {
		got, err := ListRequest{Prefix: "app||", Token: PageToken(key)}.After()
		if err != nil || got != key {
			t.Errorf("token of %q: got %q, error %v", key, got, err)
		}
	}
	for _, token := range []string{"%", PageToken("other||a"), PageToken("app|")} {
		if _, err := (ListRequest{Prefix: "app||", Token: token}).After(); !errors.Is(err, ErrInvalid) {
			t.Errorf("token %q: got error %v, want %v", token, err, ErrInvalid)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a||": "a|}", "a\xff": "b", "ab\xff\xff": "ac"} {
		if got, ok := PrefixEnd(prefix); !ok || got != want {
			t.Errorf("end of %q: got %q, %t, want %q", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"", "\xff", "\xff\xff"} {
		if got, ok := PrefixEnd(prefix); ok {
			t.Errorf("end of %q: got %q, want none", prefix, got)
		}
	}
}

func TestTTL(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64 // seconds
		bad  bool
	}{
		{text: "1", want: 1},
		{text: "-1", want: -1},
		{text: "0", want: 0},
		{text: "2147483647", want: 2147483647},
		{text: "-2", bad: true},
		{text: "2147483648", bad: true},
		{text: "1.5", bad: true},
		{text: "10s", bad: true},
		{text: "x", bad: true},
		{text: "99999999999999999999", bad: true},
	} {
		for _, name := range []string{"ttlInSeconds", "TTLInSeconds"} {
			got, err := ttlOf(map[string]string{"other": "x", name: tc.text})
			switch {
			case tc.bad && !errors.Is(err, ErrInvalid):
				t.Errorf("%s %s: got error %v, want %v", name, tc.text, err, ErrInvalid)
			case !tc.bad && (err != nil || got == nil || int64(got.Seconds()) != tc.want):
				t.Errorf("%s %s: got %v, error %v, want %d s", name, tc.text, got, err, tc.want)
			}
		}
	}
	if got, err := ttlOf(map[string]string{"ttl": "1"}); got != nil || err != nil {
		t.Errorf("no ttlInSeconds: got %v, error %v, want none", got, err)
	}
	_, err := ttlOf(map[string]string{"ttlInSeconds": "x"})
	const want = `invalid request: metadata ttlInSeconds: want seconds from 1 to 2147483647, or -1 to remove the time to live, found "x"`
	if err == nil || err.Error() != want {
		t.Errorf("ttlInSeconds x: got error %v, want %q", err, want)
	}
}
