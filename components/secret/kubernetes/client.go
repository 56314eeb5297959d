package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// client makes requests to an API server.
type client struct {
	access *access
	http   *http.Client
	base   *url.URL
	// where is the server's address, for errors.
	where string

	mu   sync.Mutex
	last string // token that was last read from the file
	used *credentials
	// mayAsk tells that the user was once told that the server is ready.
	mayAsk atomic.Bool
}

func newClient(a *access) (*client, error) {
	base, err := url.Parse(a.server)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil {
		return nil, fmt.Errorf("%s: server: want a URL such as https://kubernetes.example.com:6443, without credentials", a.from)
	}
	c := &client{access: a, base: base, where: base.Scheme + "://" + base.Host}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.serverName, InsecureSkipVerify: a.insecure}
	if len(a.authority) > 0 && !a.insecure {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(a.authority) {
			return nil, fmt.Errorf("%s: the certificate authority has no certificate in PEM", a.from)
		}
	}
	if a.hasCertificate() {
		if _, err := a.certificate(); err != nil {
			return nil, err
		}
	}
	// Asked at each new connection, so that a certificate that was renewed in its file counts.
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return c.certificate(info.Context())
	}
	proxy := http.ProxyFromEnvironment
	if a.proxy != nil {
		proxy = http.ProxyURL(a.proxy)
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: proxy, TLSClientConfig: config, ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: requestTimeout}).DialContext,
			TLSHandshakeTimeout: requestTimeout, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 8,
			// A connection that died silently is found out.
			HTTP2: &http.HTTP2Config{SendPingTimeout: requestTimeout, PingTimeout: requestTimeout},
		},
		// A token is not for another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// certificate gives the client's certificate; an empty one for none.
func (c *client) certificate(ctx context.Context) (*tls.Certificate, error) {
	if c.access.plugin != nil {
		found, err := c.access.plugin.credentials(ctx, nil)
		if err != nil || found.certificate == nil {
			return &tls.Certificate{}, err
		}
		return found.certificate, nil
	}
	if c.access.hasCertificate() {
		return c.access.certificate()
	}
	return &tls.Certificate{}, nil
}

// statusError is an answer that is no success.
type statusError struct {
	code            int
	Reason, Message string
}

// Error says what the server said.
func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.code, e.Message))
}

// get reads a path. A plugin that gave credentials which the server does not take is asked once more.
func (c *client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	var used *credentials
	for range 2 {
		if c.access.plugin != nil {
			var err error
			if used, err = c.access.plugin.credentials(ctx, used); err != nil {
				return nil, err
			}
			c.renew(used)
		}
		answer, err := c.try(ctx, path, query, used)
		failed, ok := errors.AsType[*statusError](err)
		if used == nil || !ok || failed.code != http.StatusUnauthorized {
			return answer, err
		}
	}
	return nil, &statusError{code: http.StatusUnauthorized, Message: "Unauthorized, also with what the exec plugin gave anew"}
}

// renew drops the connections that are made with other credentials: a certificate belongs to its connection.
func (c *client) renew(used *credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used != used {
		c.used = used
		c.close()
	}
}

// ready asks whether the server is ready; by default everybody may ask.
func (c *client) ready(ctx context.Context) error {
	_, err := c.get(ctx, "/readyz", nil)
	failed, ok := errors.AsType[*statusError](err)
	switch {
	case ok && failed.code == http.StatusForbidden && !c.mayAsk.Load():
		return nil // it answers, if not this question of ours
	case ok && failed.code == http.StatusForbidden:
		return &statusError{code: http.StatusServiceUnavailable, Message: "that the user may not ask whether it is ready, and could before: it is starting"}
	case ok && failed.code == http.StatusNotFound:
		return nil // what stands before some servers does not hand this on
	case err == nil:
		c.mayAsk.Store(true)
	}
	return err
}

// settled is get that tells a server which has just started from one that refuses the user: until it has read its roles it
// refuses everybody.
func (c *client) settled(ctx context.Context, path string, query url.Values) ([]byte, error) {
	answer, err := c.get(ctx, path, query)
	if failed, ok := errors.AsType[*statusError](err); !ok || failed.code != http.StatusForbidden {
		return answer, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	return c.get(ctx, path, query)
}

func (c *client) try(ctx context.Context, path string, query url.Values, used *credentials) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	target := *c.base
	target.Path, target.RawQuery = strings.TrimSuffix(c.base.Path, "/")+path, query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	maps.Copy(req.Header, c.access.impersonate)
	switch token := c.token(used); {
	case token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case c.access.username != "":
		req.SetBasicAuth(c.access.username, c.access.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, newStatusError(resp.StatusCode, body)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return body, nil
}

func newStatusError(code int, body []byte) *statusError {
	e := &statusError{code: code, Message: http.StatusText(code)}
	var said struct {
		Kind, Reason, Message string
	}
	if json.Unmarshal(body, &said) == nil && said.Kind == "Status" {
		e.Reason, e.Message = said.Reason, said.Message
	}
	if len(e.Message) > 400 {
		e.Message = e.Message[:400] + "..."
	}
	return e
}

// token gives the one to send; empty for none. A file is read for every request: tokens of service accounts are renewed in it.
func (c *client) token(used *credentials) string {
	if used != nil {
		return used.token
	}
	if c.access.tokenFile == "" {
		return c.access.token
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// While it cannot be read the last one counts.
	if token, err := readToken(c.access.tokenFile); err == nil {
		c.last = token
	}
	return c.last
}

func readToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("the file %s has no token", file)
	}
	return token, nil
}

// failure says what an error of a request means; nil stays nil.
func (c *client) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("kubernetes at %s: %w", c.where, ctx.Err())
	}
	failed, ok := errors.AsType[*statusError](err)
	if !ok {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // it names the URL otherwise
		}
		return fmt.Errorf("%w: kubernetes at %s does not answer: %w", secret.ErrUnavailable, c.where, err)
	}
	said := fmt.Sprintf("kubernetes at %s answers %s", c.where, failed)
	switch code := failed.code; {
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s; check the credentials of %s", secret.ErrForbidden, said, c.access.from)
	case code == http.StatusForbidden:
		return fmt.Errorf("%w: %s; bind it to a role with the verbs get and list on secrets in the namespace", secret.ErrForbidden, said)
	case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s", secret.ErrInvalid, said)
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return fmt.Errorf("%w: %s", secret.ErrUnavailable, said)
	case code < http.StatusBadRequest:
		return fmt.Errorf("%s, a redirect, which is not followed; is %s an API server?", said, c.where)
	default:
		return fmt.Errorf("%s; is it an API server?", said)
	}
}

// explain marks what waiting cannot mend when the store is opened.
func (c *client) explain(err error) error {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return component.Permanent(fmt.Errorf("%w; check the certificate authority of %s, and tls-server-name", err, c.access.from))
	}
	if _, bad := errors.AsType[tls.RecordHeaderError](err); bad || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return component.Permanent(fmt.Errorf("%w; the server does not speak TLS", err))
	}
	// A file may yet be written, a plugin may give others; what stands in the kubeconfig stays.
	if errors.Is(err, secret.ErrForbidden) && c.access.tokenFile == "" && c.access.plugin == nil {
		return component.Permanent(err)
	}
	return err
}
