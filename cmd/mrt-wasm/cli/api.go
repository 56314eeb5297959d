package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultAPI = "127.0.0.1:3500"
	// tokenEnv holds the token of the API, as in Dapr.
	tokenEnv    = "DAPR_API_TOKEN"
	tokenHeader = "dapr-api-token"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 256 << 20
)

// api is the HTTP API of a running host.
type api struct {
	address string
	timeout time.Duration
}

// flags adds the flags of every command that calls the API.
func (a *api) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.address, "api", defaultAPI, "API address of the running host, host:port or URL")
	cmd.Flags().DurationVar(&a.timeout, "timeout", time.Minute, "how long to wait for the answer")
}

// base gives the URL of the API without a slash at the end.
func (a *api) base() (string, error) {
	addr := a.address
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
		return "", usagef("--api %q is not an address; expected host:port, for example %s", a.address, defaultAPI)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// answer is a whole response of the API.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends one request; path starts with a slash and is already escaped.
func (a *api) call(ctx context.Context, verb, path string, header http.Header, body []byte) (*answer, error) {
	base, err := a.base()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, verb, base+path, strings.NewReader(string(body)))
	if err != nil {
		return nil, usagef("the request is not valid: %v", err)
	}
	req.Header = header
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	if token := os.Getenv(tokenEnv); token != "" {
		req.Header.Set(tokenHeader, token)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, a.explain(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the host at %s: %w", a.address, err)
	}
	return &answer{resp.StatusCode, resp.Header, text}, nil
}

// explain says what to do about a host that does not answer.
func (a *api) explain(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s; start a host with 'mrt-wasm run MANIFEST', "+
			"or give the address of its API with --api", a.address)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the host at %s did not answer within %s; --timeout waits longer", a.address, a.timeout)
	}
	return fmt.Errorf("calling the host at %s: %w", a.address, err)
}

// problem gives the error in an answer of the API itself, nil if there is none in the form of the API.
func (r *answer) problem() error {
	if r.status == http.StatusUnauthorized && len(r.body) < 100 {
		return fmt.Errorf("the host refused the call: %s; put its token into the environment variable %s",
			strings.TrimSpace(string(r.body)), tokenEnv)
	}
	var p struct{ ErrorCode, Message string }
	if json.Unmarshal(r.body, &p) != nil || p.ErrorCode == "" {
		return nil
	}
	return fmt.Errorf("%s (%s, status %d)", p.Message, p.ErrorCode, r.status)
}

// readData gives what a data argument means: the text itself, @FILE for a file's content, @- for standard input.
func readData(cmd *cobra.Command, arg string) ([]byte, error) {
	name, isFile := strings.CutPrefix(arg, "@")
	switch {
	case !isFile:
		return []byte(arg), nil
	case name == "-":
		return io.ReadAll(cmd.InOrStdin())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the data: %w", err)
	}
	return data, nil
}

// contentType guesses the type of data.
func contentType(data []byte) string {
	if json.Valid(data) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}
