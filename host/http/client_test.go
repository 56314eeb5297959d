package http

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// target is a server that apps call; its last request is in seen.
type target struct {
	*httptest.Server
	seen http.Header
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		s.seen = r.Header.Clone()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Query", r.URL.RawQuery)
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(w, zeros{}, 5000)
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.CopyN(z, zeros{}, 5000)
		_ = z.Close()
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("url"), http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

type zeros struct{}

// Read gives zeros.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// outbound makes an app's client.
func outbound(t *testing.T, cfg ClientConfig, allow ...string) *caller {
	t.Helper()
	b, err := New(Config{Client: cfg, Apps: func(string) AppConfig { return AppConfig{AllowHosts: allow} }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(t.Context(), answer("app", 200, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return s.(*session).caller
}

// to makes a request of an app for a URL.
func to(t *testing.T, method, raw, body string, fields ...string) abihttp.Request {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	req := abihttp.Request{Method: method, Scheme: u.Scheme, Authority: u.Host, Path: u.EscapedPath(), Query: u.RawQuery, Body: []byte(body)}
	for i := 0; i < len(fields); i += 2 {
		req.Headers = append(req.Headers, abihttp.Header{Name: fields[i], Value: fields[i+1]})
	}
	return req
}

func TestSend(t *testing.T) {
	s := newTarget(t)
	c := outbound(t, ClientConfig{}, s.URL)
	ctx := telemetry.Extract(t.Context(), func(k string) string { return map[string]string{"traceparent": sampleParent}[k] })
	res, err := c.Send(ctx, to(t, "PUT", s.URL+"/echo?a=1", "hello", "X-A", "1", "Host", "evil", "Content-Length", "99", "Connection", "X-B", "X-B", "2"), 0)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for _, h := range res.Headers {
		fields[h.Name] = h.Value
	}
	if res.Status != 202 || string(res.Body) != "hello" || fields["X-Method"] != "PUT" || fields["X-Query"] != "a=1" {
		t.Errorf("got %d %q %v", res.Status, res.Body, fields)
	}
	if s.seen.Get("X-A") != "1" || s.seen.Get("X-B") != "" || s.seen.Get("Traceparent") != sampleParent {
		t.Errorf("the server saw %v; want X-A, the trace, and not X-B, which Connection names", s.seen)
	}
}

func TestSendIsDenied(t *testing.T) {
	s := newTarget(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		allow []string
		url   string
		want  string
	}{
		"nothing allowed": {nil, s.URL + "/echo", fmt.Sprintf("spec: {allow: {hosts: [%q]}}", s.URL)},
		"another host":    {[]string{"https://api.example.com"}, s.URL + "/echo", "app app may not call " + s.URL},
		"another port":    {[]string{"http://127.0.0.1"}, s.URL + "/echo", "may not call"},
		"another scheme":  {[]string{"https://127.0.0.1:*"}, s.URL + "/echo", "may not call"},
		"a name of it":    {[]string{s.URL}, "http://localhost:" + port + "/echo", "may not call http://localhost:" + port},
		"private by *":    {[]string{"*"}, s.URL + "/echo", "is not a public address"},
		"redirect":        {[]string{s.URL}, s.URL + "/to?url=http://other.invalid/x", "may not call http://other.invalid"},
		"redirect scheme": {[]string{s.URL}, s.URL + "/to?url=https://127.0.0.1:" + port + "/echo", "may not call https://127.0.0.1:" + port},
	} {
		t.Run(name, func(t *testing.T) {
			s.seen = nil
			_, err := outbound(t, ClientConfig{}, c.allow...).Send(t.Context(), to(t, "GET", c.url, ""), 5000)
			if err == nil || err.Tag != abihttp.ErrorDenied || !strings.Contains(err.Denied, c.want) {
				t.Errorf("got %v, want denied with %q", err, c.want)
			}
			if s.seen != nil {
				t.Error("the request reached the server")
			}
		})
	}
}

func TestSendFollowsAllowedRedirects(t *testing.T) {
	s, other := newTarget(t), newTarget(t)
	c := outbound(t, ClientConfig{}, s.URL, other.URL)
	res, err := c.Send(t.Context(), to(t, "POST", s.URL+"/to?url="+other.URL+"/echo", "again", "Authorization", "secret"), 0)
	if err != nil || res.Status != 202 || string(res.Body) != "again" {
		t.Errorf("got %d %q, %v; want the body at the second server", res.Status, res.Body, err)
	}
	if _, err := c.Send(t.Context(), to(t, "GET", s.URL+"/loop", ""), 0); err == nil || !strings.Contains(err.Connection, "10 redirects") {
		t.Errorf("endless redirects: got %v", err)
	}
}

func TestSendLimits(t *testing.T) {
	s := newTarget(t)
	c := outbound(t, ClientConfig{MaxResponse: 1000}, s.URL)
	for _, path := range []string{"/long", "/bomb"} {
		if _, err := c.Send(t.Context(), to(t, "GET", s.URL+path, ""), 0); err == nil || err.Tag != abihttp.ErrorTooLarge || err.TooLarge != 1000 {
			t.Errorf("%s: got %v, want too-large 1000", path, err)
		}
	}
	if _, err := c.Send(t.Context(), to(t, "GET", s.URL+"/hang", ""), 30); err == nil || err.Tag != abihttp.ErrorTimeout || err.Timeout != 30 {
		t.Errorf("hanging server: got %v, want timeout 30", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Send(ctx, to(t, "GET", s.URL+"/hang", ""), 0); err == nil || err.Tag != abihttp.ErrorTimeout {
		t.Errorf("end of the call's own time: got %v, want timeout", err)
	}
	s.Close()
	if _, err := c.Send(t.Context(), to(t, "GET", s.URL+"/echo", ""), 0); err == nil || err.Tag != abihttp.ErrorConnection {
		t.Errorf("server is gone: got %v, want connection", err)
	}
}

func TestSendRequestsThatAreNotValid(t *testing.T) {
	c := outbound(t, ClientConfig{}, "*")
	for name, req := range map[string]abihttp.Request{
		"method":      {Method: "GET it", Scheme: "http", Authority: "a"},
		"no method":   {Scheme: "http", Authority: "a"},
		"connect":     {Method: "CONNECT", Scheme: "http", Authority: "a"},
		"scheme":      {Method: "GET", Scheme: "file", Authority: "a", Path: "/etc/passwd"},
		"no scheme":   {Method: "GET", Authority: "a"},
		"no host":     {Method: "GET", Scheme: "http", Path: "/x"},
		"user":        {Method: "GET", Scheme: "http", Authority: "u:p@a"},
		"host's path": {Method: "GET", Scheme: "http", Authority: "a/b"},
		"host's ?":    {Method: "GET", Scheme: "http", Authority: "a?b"},
		"path":        {Method: "GET", Scheme: "http", Authority: "a", Path: "b"},
		"encoding":    {Method: "GET", Scheme: "http", Authority: "a", Path: "/%zz"},
		"field":       {Method: "GET", Scheme: "http", Authority: "a", Headers: []abihttp.Header{{Name: "X", Value: "a\r\nY: b"}}},
		"field name":  {Method: "GET", Scheme: "http", Authority: "a", Headers: []abihttp.Header{{Name: "", Value: "a"}}},
		"newline":     {Method: "GET", Scheme: "http", Authority: "a", Path: "/", Query: "a\nb"},
	} {
		if _, err := c.Send(t.Context(), req, 1000); err == nil || err.Tag != abihttp.ErrorInvalidRequest {
			t.Errorf("%s: got %v, want invalid-request", name, err)
		}
	}
}

// The environment's proxy is the operator's for the operator's programs; an app gets none.
func TestSendTakesNoProxyFromTheEnvironment(t *testing.T) {
	s := newTarget(t)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	c := outbound(t, ClientConfig{}, s.URL)
	for _, tr := range []*http.Transport{c.client.named, c.client.public} {
		if tr.Proxy != nil {
			t.Error("the transport asks for a proxy")
		}
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		rule     string
		yes, not []string
	}{
		{
			"https://api.example.com",
			[]string{"https://api.example.com/x", "https://API.Example.com:443", "https://api.example.com./"},
			[]string{"http://api.example.com", "https://api.example.com:8443", "https://example.com", "https://x.api.example.com", "https://api.example.com.evil.org"},
		},
		{"api.example.com", []string{"https://api.example.com", "http://api.example.com"}, []string{"http://api.example.com:8080"}},
		{"http://localhost:9000", []string{"http://localhost:9000"}, []string{"http://localhost", "https://localhost:9000", "http://127.0.0.1:9000"}},
		{"http://10.0.0.1:*", []string{"http://10.0.0.1", "http://10.0.0.1:1234"}, []string{"http://10.0.0.2", "https://10.0.0.1"}},
		{"*.example.com", []string{"https://a.example.com", "http://a.b.example.com"}, []string{"https://example.com", "https://badexample.com", "https://a.example.com:81"}},
		{"https://*.example.com:8443", []string{"https://a.example.com:8443"}, []string{"https://a.example.com"}},
		{"*", []string{"https://anything", "http://1.2.3.4:5"}, []string{"ftp://x"}},
		{"http://*", []string{"http://anything"}, []string{"https://anything", "http://anything:81"}},
		{"[::1]:8080", []string{"http://[::1]:8080", "https://[0:0:0:0:0:0:0:1]:8080"}, []string{"http://[::2]:8080"}},
		{"https://b\u00fccher.example", []string{"https://xn--bcher-kva.example", "https://B\u00fccher.example"}, []string{"https://bucher.example"}},
		{"my_host:80", []string{"http://MY_HOST"}, []string{"https://my_host"}},
	} {
		rules, err := ParseRules([]string{c.rule})
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		check := func(raw string, want bool) {
			u, err := url.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rules.check("app", u); (err == nil) != want {
				t.Errorf("%s: %s: got %v, want allowed %t", c.rule, raw, err, want)
			}
		}
		for _, raw := range c.yes {
			check(raw, true)
		}
		for _, raw := range c.not {
			check(raw, false)
		}
	}
}

func TestRulesThatAreNotValid(t *testing.T) {
	for rule, want := range map[string]string{
		"": "scheme, host and port only", "https://": "scheme, host and port only", "https://a/b": "a whole host is allowed or not",
		"ftp://a": "expected http:// or https://, found ftp://", "a:0": "a port from 1 to 65535", "a:x": "a port from 1 to 65535",
		"a.*.b": "* only as the first label", "*a.example.com": "* only as a whole first label", "u@a": "scheme, host and port only",
		"::1": "with an IPv6 address in []", "a b": "scheme, host and port only", "a%b": "host's name or address",
	} {
		if _, err := ParseRule(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", rule, err, want)
		}
	}
	if _, err := ParseRules([]string{"ftp://a", "ok.example.com", "b:0"}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want both errors", err)
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"fe80::1": false, "fd00::1": false, "224.0.0.1": false, "255.255.255.255": false, "::ffff:127.0.0.1": false,
		"64:ff9b::127.0.0.1": false, "64:ff9b::5db8:d822": true,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got public %t, want %t", text, got, want)
		}
	}
}

func TestOutboundForOtherBlocks(t *testing.T) {
	s := newTarget(t)
	b, err := New(Config{Apps: func(string) AppConfig { return AppConfig{AllowHosts: []string{s.URL}} }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), answer("app", 200, "")); err != nil {
		t.Fatal(err)
	}
	get := func(app string) error {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.Outbound(app).RoundTrip(req)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	if err := get("app"); err != nil {
		t.Errorf("an allowed host: %v", err)
	}
	if err := get("stranger"); err == nil {
		t.Error("an app that is not known: got no error")
	} else if _, ok := err.(*wire.DeniedError); !ok { //nolint:errorlint // RoundTrip wraps nothing
		t.Errorf("an app that is not known: got %T, want *wire.DeniedError", err)
	}
}

// No request that a guest makes up may panic or pass a host that is not allowed.
func FuzzNewRequest(f *testing.F) {
	f.Add("GET", "http", "example.com", "/x", "a=b", "X-A", "1")
	f.Add("GET", "http", "[::1", "/%", "\x00", ":", "\n")
	f.Add("PRI", "HTTP", "a:b:c", "//", "#", "Host", "x")
	rules, err := ParseRules([]string{"http://allowed.example"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, scheme, authority, path, query, name, value string) {
		req, err := newRequest(t.Context(), abihttp.Request{
			Method: method, Scheme: scheme, Authority: authority, Path: path, Query: query,
			Headers: []abihttp.Header{{Name: name, Value: value}},
		})
		if err != nil {
			return
		}
		if _, err := rules.check("app", req.URL); err == nil && !strings.HasPrefix(strings.ToLower(req.URL.Host), "allowed.example") {
			t.Errorf("%q passes for allowed.example", req.URL)
		}
		if _, err := json.Marshal(req.URL.String()); err != nil {
			t.Error(err)
		}
	})
}
