// Package http is the driver bindings.http: requests to an HTTP server. It is a client only; requests from outside
// come by the front door or by bindings.webhook.
package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/net/http/httpguts"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.http",
	Doc: `Requests to an HTTP server.

Operations are the methods: get, head, post, put, patch, delete, options, trace; create is post. The request's metadata:
path is appended to the url; what begins with a capital letter is a header; errorIfNot2XX overrides the component's. The
reply's metadata has statusCode, status and the headers.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	URL             string         `metadata:"url,required" doc:"where requests go, http:// or https://; the request's path is appended"`
	ResponseTimeout *time.Duration `metadata:"responseTimeout" doc:"how long a request may take; default the caller's own time"`
	MaxBody         string         `metadata:"maxResponseBodySize" default:"100Mi" doc:"most bytes of a response, for example 1Mi; 0 is no limit but what an app can take, 64Mi"`
	RootCA          string         `metadata:"MTLSRootCA" doc:"certificates of the authorities to trust, as PEM or the path of a file; default those of the system"`
	ClientCert      string         `metadata:"MTLSClientCert" doc:"client certificate as PEM or the path of a file, with MTLSClientKey"`
	ClientKey       string         `metadata:"MTLSClientKey,secret" doc:"key of the client certificate as PEM or the path of a file"`
	Renegotiation   string         `metadata:"MTLSRenegotiation" doc:"RenegotiateNever, RenegotiateOnceAsClient or RenegotiateFreelyAsClient"`
	Token           string         `metadata:"securityToken,secret" doc:"value of the header that securityTokenHeader names"`
	TokenHeader     string         `metadata:"securityTokenHeader" doc:"header that carries securityToken"`
	ErrorIfNot2XX   bool           `metadata:"errorIfNot2XX" default:"true" doc:"a status other than 2xx is an error"`
}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	c, err := newClient(s)
	if err != nil {
		return nil, component.Permanent(err)
	}
	return c, nil
}

func newClient(s *settings) (*client, error) {
	base, err := url.Parse(strings.TrimRight(s.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("metadata field url: want http://host/path or https://host/path")
	}
	if s.Token != "" && !httpguts.ValidHeaderFieldName(s.TokenHeader) {
		return nil, fmt.Errorf("metadata field securityTokenHeader: want the name of a header, found %q", s.TokenHeader)
	}
	limit, err := humanize.ParseBytes(s.MaxBody)
	if err != nil {
		return nil, fmt.Errorf("metadata field maxResponseBodySize: want a size such as 1Mi, found %q", s.MaxBody)
	}
	if limit == 0 || limit > binding.MaxData {
		limit = binding.MaxData
	}
	tls, err := tlsConfig(s)
	if err != nil {
		return nil, err
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("net/http's default transport was replaced")
	}
	transport = transport.Clone()
	transport.TLSClientConfig = tls
	c := &client{s: s, base: s.URL, host: base.Host, limit: int64(limit), transport: transport}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.redirect}
	return c, nil
}

type client struct {
	s         *settings
	base      string
	host      string
	limit     int64
	transport *http.Transport
	http      *http.Client
}

var (
	_ binding.Binding = (*client)(nil)
	_ binding.Output  = (*client)(nil)
)

// Operations lists what Invoke takes.
func (c *client) Operations() []string {
	return []string{"create", "get", "head", "post", "put", "patch", "delete", "options", "trace"}
}

func (c *client) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	caller := ctx
	if c.s.ResponseTimeout != nil && *c.s.ResponseTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *c.s.ResponseTimeout)
		defer cancel()
	}
	out, err := c.request(ctx, req)
	if err != nil {
		return nil, err
	}
	strict := c.s.ErrorIfNot2XX
	if text := req.Metadata["errorIfNot2XX"]; text != "" {
		if strict, err = strconv.ParseBool(text); err != nil {
			return nil, fmt.Errorf("%w: metadata errorIfNot2XX: want true or false, found %q", binding.ErrInvalid, text)
		}
	}
	resp, err := c.http.Do(out)
	if err != nil {
		return nil, c.failure(caller, out, err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := c.reply(resp)
	if err != nil {
		return nil, c.failure(caller, out, err)
	}
	if strict && resp.StatusCode/100 != 2 {
		return nil, &statusError{code: resp.StatusCode, status: resp.Status, what: describe(out)}
	}
	return reply, nil
}

// request makes the HTTP request.
func (c *client) request(ctx context.Context, req *binding.Request) (*http.Request, error) {
	method := strings.ToUpper(req.Operation)
	var body io.Reader
	switch req.Operation {
	case "create":
		method = http.MethodPost
		body = bytes.NewReader(req.Data)
	case "post", "put", "patch":
		body = bytes.NewReader(req.Data)
	case "get", "head", "delete", "options", "trace":
	default:
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: c.Operations()}
	}
	target, err := c.target(req.Metadata["path"])
	if err != nil {
		return nil, err
	}
	out, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%w: metadata path: want a path, found %q", binding.ErrInvalid, req.Metadata["path"])
	}
	if out.URL.Host != c.host {
		return nil, fmt.Errorf("%w: metadata path: want a path on %s, found %q", binding.ErrInvalid, c.host, req.Metadata["path"])
	}
	if body != nil {
		out.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	out.Header.Set("Accept", "application/json; charset=utf-8")
	if c.s.Token != "" {
		out.Header.Set(c.s.TokenHeader, c.s.Token)
	}
	return out, headers(out.Header, req.Metadata)
}

// target appends a path, which may have a query.
func (c *client) target(path string) (string, error) {
	if path == "" {
		return c.base, nil
	}
	plain, _, _ := strings.Cut(path, "?")
	for part := range strings.SplitSeq(plain, "/") {
		if text, err := url.PathUnescape(part); err != nil || text == ".." {
			return "", fmt.Errorf("%w: metadata path: want a path below the component's url, found %q", binding.ErrInvalid, path)
		}
	}
	return strings.TrimRight(c.base, "/") + "/" + strings.TrimLeft(path, "/"), nil
}

// headers sets those of the metadata: what begins with a capital letter, and the trace context.
func headers(h http.Header, metadata map[string]string) error {
	for name, value := range metadata {
		switch {
		case name == "traceparent" || name == "tracestate" || name == "baggage":
			if value == "" {
				continue
			}
		case name == "" || name[0] < 'A' || name[0] > 'Z':
			continue
		case (name == "Traceparent" || name == "Tracestate" || name == "Baggage") && metadata[strings.ToLower(name)] != "":
			continue // the trace that the call belongs to counts
		}
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return fmt.Errorf("%w: metadata %q is not valid as a header", binding.ErrInvalid, name)
		}
		h.Set(name, value)
	}
	return nil
}

// redirect follows as browsers do, and keeps the token to the server that it is for.
func (c *client) redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if req.URL.Host != c.host && c.s.TokenHeader != "" {
		req.Header.Del(c.s.TokenHeader)
	}
	return nil
}

var errTooLarge = errors.New("the response is larger than maxResponseBodySize")

func (c *client) reply(resp *http.Response) (*binding.Reply, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > c.limit {
		return nil, fmt.Errorf("%w, %s", errTooLarge, humanize.IBytes(uint64(c.limit)))
	}
	reply := &binding.Reply{Data: data, ContentType: resp.Header.Get("Content-Type"), Metadata: make(map[string]string, len(resp.Header)+2)}
	for name, values := range resp.Header {
		reply.Metadata[name] = strings.Join(values, ", ")
	}
	reply.Metadata["statusCode"] = strconv.Itoa(resp.StatusCode)
	reply.Metadata["status"] = resp.Status
	return reply, nil
}

// failure says why there is no response. The query is left out: it may have secrets.
func (c *client) failure(caller context.Context, req *http.Request, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	switch {
	case caller.Err() != nil:
		return caller.Err()
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%s: %w", describe(req), err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: no response within responseTimeout %s", describe(req), binding.ErrUnavailable, *c.s.ResponseTimeout)
	default:
		return fmt.Errorf("%s: %w: %w", describe(req), binding.ErrUnavailable, err)
	}
}

func describe(req *http.Request) string {
	return req.Method + " " + req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
}

// statusError is a response that is no success.
type statusError struct {
	code         int
	status, what string
}

// Error gives the status.
func (e *statusError) Error() string {
	return fmt.Sprintf("received status code %d: the server answers %q to %s", e.code, e.status, e.what)
}

// HTTPStatus is the status, for policies that look at it.
func (e *statusError) HTTPStatus() int { return e.code }

// Is tells what the status means.
func (e *statusError) Is(target error) bool {
	switch e.code {
	case http.StatusNotFound, http.StatusGone:
		return target == binding.ErrNotFound
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return target == binding.ErrUnavailable
	default:
		return false
	}
}

func (c *client) Close(context.Context) error {
	c.transport.CloseIdleConnections()
	return nil
}
