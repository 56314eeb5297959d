package http

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

type pair = canon.Tuple2[string, []byte]

func headerError(t *testing.T, what string, got *abihttp.HeaderError, want abihttp.HeaderErrorTag) {
	t.Helper()
	if got == nil || got.Tag != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestFields(t *testing.T) {
	h, ctx := New(Config{}), t.Context()
	f, bad := h.FieldsFromList(ctx, []pair{{F0: "X-A", F1: []byte("1")}, {F0: "other", F1: nil}, {F0: "x-a", F1: []byte{0xff, ' ', '\t'}}})
	if bad != nil {
		t.Fatal(bad)
	}
	names := func(f abihttp.Fields) (out []string) {
		for _, e := range f.Entries(ctx) {
			out = append(out, e.F0+"="+string(e.F1))
		}
		return out
	}
	if got, want := names(f), []string{"X-A=1", "other=", "x-a=\xff \t"}; !slices.Equal(got, want) {
		t.Errorf("entries: got %q, want %q", got, want)
	}
	if got := f.Get(ctx, "x-A"); len(got) != 2 || !f.Has(ctx, "OTHER") || f.Has(ctx, "no such") || f.Get(ctx, "bad name") != nil {
		t.Errorf("get and has: got %q", got)
	}
	c := f.Clone(ctx)
	if bad := c.Set(ctx, "X-a", [][]byte{[]byte("new")}); bad != nil {
		t.Error(bad)
	}
	if bad := c.Append(ctx, "y", []byte("2")); bad != nil {
		t.Error(bad)
	}
	if bad := c.Delete(ctx, "Other"); bad != nil {
		t.Error(bad)
	}
	if bad := c.Delete(ctx, "missing"); bad != nil {
		t.Error(bad)
	}
	if got, want := names(c), []string{"X-a=new", "y=2"}; !slices.Equal(got, want) {
		t.Errorf("clone: got %q, want %q", got, want)
	}
	if got := names(f); len(got) != 3 {
		t.Errorf("fields after their clone changed: got %q, want all three", got)
	}
	if bad := c.Set(ctx, "y", nil); bad != nil || c.Has(ctx, "y") {
		t.Errorf("set to nothing: got %v, want the name gone", bad)
	}
	for _, name := range []string{"", "a b", "a:b", "ä", "a\x00", "a\n", "(x)"} {
		headerError(t, "append "+name, f.Append(ctx, name, nil), abihttp.HeaderErrorInvalidSyntax)
		headerError(t, "delete "+name, f.Delete(ctx, name), abihttp.HeaderErrorInvalidSyntax)
	}
	for _, value := range []string{"a\nb", "a\rb", "\x00", "\x7f", "\x1f"} {
		headerError(t, "append value "+value, f.Append(ctx, "x", []byte(value)), abihttp.HeaderErrorInvalidSyntax)
		headerError(t, "set value "+value, f.Set(ctx, "x-a", [][]byte{[]byte("ok"), []byte(value)}), abihttp.HeaderErrorInvalidSyntax)
	}
	if len(names(f)) != 3 {
		t.Error("a set that failed has changed something")
	}
	for _, name := range forbidden {
		for _, name := range []string{name, strings.ToUpper(name)} {
			headerError(t, "append "+name, f.Append(ctx, name, []byte("v")), abihttp.HeaderErrorForbidden)
			headerError(t, "set "+name, f.Set(ctx, name, nil), abihttp.HeaderErrorForbidden)
			_, bad := h.FieldsFromList(ctx, []pair{{F0: name}})
			headerError(t, "from-list "+name, bad, abihttp.HeaderErrorForbidden)
		}
	}
	r := h.NewOutgoingRequest(ctx, f)
	for what, bad := range map[string]*abihttp.HeaderError{
		"set": r.Headers(ctx).Set(ctx, "x", nil), "append": r.Headers(ctx).Append(ctx, "x", nil), "delete": r.Headers(ctx).Delete(ctx, "x-a"),
	} {
		headerError(t, what, bad, abihttp.HeaderErrorImmutable)
	}
	if bad := r.Headers(ctx).Clone(ctx).Append(ctx, "x", nil); bad != nil {
		t.Errorf("append to the clone of immutable fields: %v", bad)
	}
}

func TestFieldsAreBounded(t *testing.T) {
	h, ctx := New(Config{}), t.Context()
	f := h.NewFields(ctx)
	defer func() {
		trap, ok := recover().(*abi.Trap)
		if !ok || trap.Kind != abi.TrapABI {
			t.Errorf("got %v, want a trap", trap)
		}
	}()
	for range maxFields {
		if bad := f.Append(ctx, "x", nil); bad != nil {
			t.Fatal(bad)
		}
	}
	t.Error("fields without bound")
}

func TestRequestSetters(t *testing.T) {
	h, ctx := New(Config{}), t.Context()
	r := h.NewOutgoingRequest(ctx, h.NewFields(ctx))
	if r.Method(ctx).Tag != abihttp.MethodGet || r.PathWithQuery(ctx) != nil || r.Scheme(ctx) != nil || r.Authority(ctx) != nil {
		t.Error("a new request: want GET and nothing else")
	}
	for _, c := range []struct {
		what, value string
		ok          bool
	}{
		{"method", "PURGE", true},
		{"method", "", false},
		{"method", "a b", false},
		{"method", "x\n", false},
		{"scheme", "ftp", true},
		{"scheme", "a+b-c.1", true},
		{"scheme", "", false},
		{"scheme", "1a", false},
		{"scheme", "bad\nscheme", false},
		{"authority", "example.com", true},
		{"authority", "example.com:8080", true},
		{"authority", "[::1]:80", true},
		{"authority", "[::1]", true},
		{"authority", "u:p@h", true},
		{"authority", "", false},
		{"authority", "bad-port:99999", false},
		{"authority", "bad-\nhost", false},
		{"authority", "too-many-ports:80:80:80:80", false},
		{"authority", "h/x", false},
		{"authority", "h:", false},
		{"authority", "::1", false},
		{"authority", ":80", false},
		{"authority", "a b", false},
		{"path", "/", true},
		{"path", "", true},
		{"path", "*", true},
		{"path", "/a?b=c&d", true},
		{"path", "?q", true},
		{"path", "/%41", true},
		{"path", "/bad\npath", false},
		{"path", "/a b", false},
		{"path", "/#f", false},
		{"path", "relative", false},
		{"path", "/%zz", false},
		{"path", "http://evil/", false},
		{"path", "//host/x", true},
	} {
		var got bool
		switch c.what {
		case "method":
			got = r.SetMethod(ctx, abihttp.Method{Tag: abihttp.MethodOther, Value: c.value})
		case "scheme":
			got = r.SetScheme(ctx, &abihttp.Scheme{Tag: abihttp.SchemeOther, Value: c.value})
		case "authority":
			got = r.SetAuthority(ctx, &c.value)
		case "path":
			got = r.SetPathWithQuery(ctx, &c.value)
		}
		if got != c.ok {
			t.Errorf("set %s to %q: got %v, want %v", c.what, c.value, got, c.ok)
		}
	}
	if _, ok := r.Body(ctx); !ok {
		t.Error("first body: got none")
	}
	if _, ok := r.Body(ctx); ok {
		t.Error("second body: got one")
	}
	res := h.NewOutgoingResponse(ctx, h.NewFields(ctx))
	if res.StatusCode(ctx) != 200 || res.SetStatusCode(ctx, 99) || res.SetStatusCode(ctx, 1000) || !res.SetStatusCode(ctx, 599) || res.StatusCode(ctx) != 599 {
		t.Error("status: want 200 first, 100 to 999 to be taken and nothing else")
	}
}

// FuzzFields: whatever a guest may put into fields arrives at a server as it is, as one line, and nothing else does.
func FuzzFields(f *testing.F) {
	f.Add("x-name", []byte("value"))
	f.Add("x", []byte("a\r\nHost: evil"))
	f.Add("a\r\nb: c", []byte("v"))
	f.Add("Content-Length", []byte("5"))
	f.Add("é", []byte{0x80, 0xff})
	f.Add("trailer", []byte("x"))
	var seen http.Header
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	f.Cleanup(s.Close)
	tr := &http.Transport{DisableCompression: true}
	h := New(Config{Send: tr.RoundTrip})
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		fields := h.NewFields(ctx)
		if len(name)+len(value) > 16<<10 || fields.Append(ctx, name, value) != nil {
			return
		}
		if got := fields.Get(ctx, strings.ToUpper(name)); len(got) != 1 || !bytes.Equal(got[0], value) {
			t.Fatalf("get: got %q, want %q", got, value)
		}
		r := h.NewOutgoingRequest(ctx, fields)
		authority := strings.TrimPrefix(s.URL, "http://")
		r.SetScheme(ctx, &abihttp.Scheme{Tag: abihttp.SchemeHTTP})
		r.SetAuthority(ctx, &authority)
		seen = nil
		future, bad := h.Handle(ctx, r, nil)
		if bad != nil {
			t.Fatalf("handle: %v", bad)
		}
		defer future.Drop(ctx)
		res, bad := await(ctx, future)
		if bad != nil {
			t.Fatalf("response: %v", bad)
		}
		defer res.Drop(ctx)
		special := []string{"Content-Length", "Trailer", "User-Agent", "Expect"} // net/http sets, keeps apart or acts on them
		for got, values := range seen {
			if !strings.EqualFold(got, name) && !slices.Contains(special, got) {
				t.Errorf("the server got %s: %q, want %q: %q alone", got, values, name, value)
			}
		}
		canonical := http.CanonicalHeaderKey(name)
		if slices.Contains(special, canonical) {
			return
		}
		if got := seen[canonical]; len(got) != 1 || got[0] != strings.Trim(string(value), " \t") {
			t.Errorf("the server got %q, want %q", got, value)
		}
	})
}

// FuzzTarget: no path, authority or scheme that is taken leads to a request for another host than it says.
func FuzzTarget(f *testing.F) {
	f.Add("example.com", "/path?query")
	f.Add("a@b", "//evil/")
	f.Add("[::1]:80", "?x")
	f.Add("h\\x", "*")
	h := New(Config{})
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, authority, path string) {
		r := h.NewOutgoingRequest(ctx, h.NewFields(ctx)).(*outgoingRequest)
		if !r.SetAuthority(ctx, &authority) || !r.SetPathWithQuery(ctx, &path) {
			return
		}
		u, bad := r.urlOf()
		if bad != nil {
			return
		}
		if u.Host != authority || strings.ContainsAny(u.Host, "/@?# \r\n") {
			t.Errorf("host: got %q, want %q", u.Host, authority)
		}
		if got := u.RequestURI(); strings.ContainsAny(got, " \r\n#") {
			t.Errorf("request line: got %q", got)
		}
	})
}
