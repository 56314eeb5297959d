package invoke

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// Endpoint is an HTTPEndpoint resource, its secrets filled in.
type Endpoint struct {
	// Name is what it is called as.
	Name string
	// BaseURL stands in front of the method's path.
	BaseURL string
	// Headers are sent with every call and replace the caller's.
	Headers []Header
	// Scopes are the apps that may call it; empty means all.
	Scopes []string
	// TLS is clientTLS; nil without.
	TLS *ClientTLS
}

// ClientTLS is how to talk to an endpoint over TLS, as PEM texts.
type ClientTLS struct {
	// RootCA is trusted instead of the system's authorities; may be empty.
	RootCA string
	// Certificate and PrivateKey identify the client; both or none.
	Certificate, PrivateKey string
	// Renegotiation is Never (also ""), OnceAsClient or FreelyAsClient.
	Renegotiation string
}

type endpoint struct {
	Endpoint
	transport *http.Transport
}

func newEndpoint(e Endpoint) (*endpoint, error) {
	if u, err := url.Parse(e.BaseURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("HTTPEndpoint %s: spec.baseUrl: expected a URL like https://api.example.com, found %q", e.Name, e.BaseURL)
	}
	for _, h := range e.Headers {
		if !wire.ValidField(h.Name, h.Value) {
			return nil, fmt.Errorf("HTTPEndpoint %s: spec.headers: %q is not a field that HTTP allows", e.Name, h.Name)
		}
	}
	cfg, err := e.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("HTTPEndpoint %s: spec.clientTLS: %w", e.Name, err)
	}
	return &endpoint{Endpoint: e, transport: transport(cfg)}, nil
}

func (t *ClientTLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // nil is tls' own "defaults"
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.RootCA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(t.RootCA)) {
			return nil, errors.New("rootCA: expected certificates in PEM, found none")
		}
	}
	if t.Certificate != "" || t.PrivateKey != "" {
		pair, err := tls.X509KeyPair([]byte(t.Certificate), []byte(t.PrivateKey))
		if err != nil {
			return nil, fmt.Errorf("certificate and privateKey: expected a pair in PEM: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	switch t.Renegotiation {
	case "", "Never":
	case "OnceAsClient":
		cfg.Renegotiation = tls.RenegotiateOnceAsClient
	case "FreelyAsClient":
		cfg.Renegotiation = tls.RenegotiateFreelyAsClient
	default:
		return nil, fmt.Errorf("renegotiation: expected Never, OnceAsClient or FreelyAsClient, found %q", t.Renegotiation)
	}
	return cfg, nil
}

// transport takes no proxy from the environment, like the apps' own client.
func transport(cfg *tls.Config) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: cfg, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 256 << 10,
	}
}

func (e *endpoint) visible(app string) bool {
	return app == "" || len(e.Scopes) == 0 || slices.Contains(e.Scopes, app)
}

// remote calls an HTTPEndpoint or a URL. Redirects are not followed: they are the caller's to judge.
func (c *call) remote(ctx context.Context, req Request) (Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.block.cfg.Timeout)
		defer cancel()
	}
	base, through := c.url, c.block.outbound(c.caller)
	if c.endpoint != nil {
		base, through = c.endpoint.BaseURL, c.endpoint.transport
	}
	out, err := c.newRequest(ctx, base, req)
	if err != nil {
		return Response{}, err
	}
	res, err := through.RoundTrip(out)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = res.Body.Close() }() // the body was read; a connection that breaks now is not reused
	limit := c.block.cfg.MaxResponse
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return Response{}, err
	}
	if int64(len(body)) > limit {
		return Response{}, fmt.Errorf("the response of %s is longer than the limit of %d bytes", c.target, limit)
	}
	answer := Response{Status: uint16(res.StatusCode), Body: body, Headers: make([]Header, 0, wire.Count(res.Header))}
	wire.Fields(res.Header, func(name, value string) { answer.Headers = append(answer.Headers, Header{Name: name, Value: value}) })
	return answer, nil
}

func (c *call) newRequest(ctx context.Context, base string, req Request) (*http.Request, error) {
	raw := strings.TrimSuffix(base, "/") + "/" + req.Path
	if req.Query != "" {
		raw += "?" + req.Query
	}
	out, err := http.NewRequestWithContext(ctx, req.Verb, raw, bytes.NewReader(req.Body))
	if err != nil {
		return nil, err
	}
	if out.URL.User != nil {
		return nil, errors.New("a URL with a user in it is not called; send an Authorization header")
	}
	for _, h := range req.Headers {
		out.Header.Add(h.Name, h.Value)
	}
	if c.endpoint != nil {
		for _, h := range c.endpoint.Headers {
			out.Header.Set(h.Name, h.Value)
		}
	}
	return out, nil
}

// outbound is how a URL is called: by an app only as its manifest allows, from outside like any client.
func (b *Block) outbound(caller string) http.RoundTripper {
	if _, isApp := b.cfg.Apps(caller); !isApp {
		return b.plain
	}
	if b.cfg.Outbound != nil {
		return b.cfg.Outbound(caller)
	}
	return denyAll(caller)
}

// denyAll is the app whose requests it refuses.
type denyAll string

// RoundTrip refuses.
func (d denyAll) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &wire.DeniedError{Reason: fmt.Sprintf("app %s may not call %s: this host gives apps no way out", string(d), r.URL.Host)}
}
