package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// maxRedirects is how many redirects one request follows.
const maxRedirects = 10

// client makes the requests of all apps. Connections are pooled in two transports: one for hosts that a manifest
// names, and one for hosts that only a wildcard allows, which connects to public addresses only. The address is
// checked when the connection is made, after the name was resolved, so a name that changes its address between
// check and use (DNS rebinding) gains nothing.
type client struct {
	cfg           Config
	named, public *http.Transport
}

func newClient(cfg Config) *client {
	return &client{cfg: cfg, named: transport(nil), public: transport(onlyPublic)}
}

// transport takes no proxy from the environment: what an app may reach is what its manifest says.
func transport(control func(network, address string, c syscall.RawConn) error) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: control}
	return &http.Transport{
		DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns: 256, MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 256 << 10,
	}
}

// onlyPublic refuses to connect to this machine and to private networks.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err == nil && public(ap.Addr()) {
		return nil
	}
	return &wire.DeniedError{Reason: address + " is not a public address, and an entry with * allows public addresses only: " +
		"name the host in full in spec.allow.hosts"}
}

// public tells whether an address belongs to the internet at large.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

var (
	// nat64 has an IPv4 address at its end (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	// reserved are networks for special use that netip counts as global (RFC 6890).
	reserved = [...]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	}
)

func (c *client) close() {
	c.named.CloseIdleConnections()
	c.public.CloseIdleConnections()
}

// caller is the client of one app.
type caller struct {
	client *client
	app    string
	rules  Rules
	points map[string]*chain.Point // by rule
	http   http.Client
}

var _ abihttp.ClientHost = (*caller)(nil)

func (c *client) caller(app string, rules Rules) *caller {
	out := &caller{client: c, app: app, rules: rules, points: map[string]*chain.Point{}}
	for _, r := range rules {
		out.points[r.text] = c.cfg.Chain.Point(chain.Op{
			Direction: chain.Outbound, Block: "http", Name: "send", Target: r.text, App: app,
		})
	}
	out.http = http.Client{Transport: out, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("stopped after %d redirects", maxRedirects)
		}
		return nil
	}}
	return out
}

// RoundTrip checks every single request, those of redirects included, against the allowed hosts.
func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	rule, err := c.rules.check(c.app, r.URL)
	if err != nil {
		return nil, err
	}
	if rule.wildcard() {
		return c.client.public.RoundTrip(r)
	}
	return c.client.named.RoundTrip(r)
}

// Send makes one request of the app.
func (c *caller) Send(ctx context.Context, request abihttp.Request, timeoutMS uint32) (abihttp.Response, *abihttp.Error) {
	timeout := time.Duration(timeoutMS) * time.Millisecond
	if timeout == 0 {
		timeout = c.client.cfg.Client.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := newRequest(ctx, request)
	if err != nil {
		return abihttp.Response{}, &abihttp.Error{Tag: abihttp.ErrorInvalidRequest, InvalidRequest: err.Error()}
	}
	rule, err := c.rules.check(c.app, req.URL)
	if err != nil {
		return abihttp.Response{}, c.explain(err, timeout)
	}
	res, err := chain.Do(ctx, c.points[rule.text], c.send, req)
	if err != nil {
		return abihttp.Response{}, c.explain(err, timeout)
	}
	return res, nil
}

// newRequest checks what the app gave.
func newRequest(ctx context.Context, in abihttp.Request) (*http.Request, error) {
	if !wire.ValidMethod(in.Method) {
		return nil, fmt.Errorf("method: expected a verb like GET, other than CONNECT and TRACE, found %q", clip(in.Method, 40))
	}
	if in.Path != "" && !strings.HasPrefix(in.Path, "/") {
		return nil, fmt.Errorf("path: expected one that starts with /, found %q", clip(in.Path, 80))
	}
	raw := in.Scheme + "://" + in.Authority + in.Path
	if in.Query != "" {
		raw += "?" + in.Query
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("scheme: expected http or https, found %q", clip(in.Scheme, 40))
	}
	if u.User != nil || u.Fragment != "" || u.Hostname() == "" || u.Host != in.Authority {
		return nil, fmt.Errorf("authority: expected host or host:port, found %q", clip(in.Authority, 80))
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, u.String(), bytes.NewReader(in.Body))
	if err != nil {
		return nil, err
	}
	for _, f := range in.Headers {
		if !wire.ValidField(f.Name, f.Value) {
			return nil, fmt.Errorf("header: %q is not a field that HTTP allows", clip(f.Name, 80))
		}
		req.Header.Add(f.Name, f.Value)
	}
	wire.StripHopByHop(req.Header)
	req.Header.Del("Host") // the authority says it
	req.Header.Del("Content-Length")
	if len(req.Header["User-Agent"]) == 0 {
		req.Header.Set("User-Agent", "mrt-wasm")
	}
	return req, nil
}

// send runs in the chain.
func (c *caller) send(ctx context.Context, req *http.Request) (abihttp.Response, error) {
	req = req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody() // a fresh one, should a policy send again
		if err != nil {
			return abihttp.Response{}, err
		}
		req.Body = body
	}
	if req.Header.Get("Traceparent") == "" {
		telemetry.Inject(ctx, func(name, value string) {
			if name != "baggage" || req.Header.Get(name) == "" { // an app may have put something into it
				req.Header.Set(name, value)
			}
		})
	}
	res, err := c.http.Do(req)
	if err != nil {
		return abihttp.Response{}, err
	}
	defer func() { _ = res.Body.Close() }() // nothing to be done; the connection is not reused
	limit := c.client.cfg.Client.MaxResponse
	if res.ContentLength > limit && req.Method != http.MethodHead {
		return abihttp.Response{}, &tooLargeError{limit}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return abihttp.Response{}, err
	}
	if int64(len(body)) > limit {
		return abihttp.Response{}, &tooLargeError{limit}
	}
	telemetry.HTTPStatus(ctx, req.Method, req.URL.Path, res.StatusCode)
	wire.StripHopByHop(res.Header)
	out := abihttp.Response{Status: uint16(res.StatusCode), Body: body, Headers: make([]abihttp.Header, 0, wire.Count(res.Header))}
	wire.Fields(res.Header, func(name, value string) {
		out.Headers = append(out.Headers, abihttp.Header{Name: name, Value: value})
	})
	return out, nil
}

// tooLargeError says that a response is longer than the limit in bytes.
type tooLargeError struct{ limit int64 }

// Error names the limit.
func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the response is longer than the limit of %d bytes", e.limit)
}

// explain gives the WIT error of an error.
func (c *caller) explain(err error, timeout time.Duration) *abihttp.Error {
	if denied, ok := errors.AsType[*wire.DeniedError](err); ok {
		return &abihttp.Error{Tag: abihttp.ErrorDenied, Denied: denied.Reason}
	}
	if large, ok := errors.AsType[*tooLargeError](err); ok {
		return &abihttp.Error{Tag: abihttp.ErrorTooLarge, TooLarge: uint64(large.limit)}
	}
	netErr, isNet := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || isNet && netErr.Timeout() {
		return &abihttp.Error{Tag: abihttp.ErrorTimeout, Timeout: uint32(timeout / time.Millisecond)}
	}
	return &abihttp.Error{Tag: abihttp.ErrorConnection, Connection: err.Error()}
}
