// Package webhook is the driver bindings.webhook: requests to a path of the host's front door, as services send them
// when something happens. Apps that serve HTTP themselves do not need it; it adds the check of signatures, and a
// handler that is told apart by its binding.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"golang.org/x/net/http/httpguts"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.webhook",
	Doc: `Requests to a path of the host's front door.

The body is the event's data; its metadata are method, path, query and the headers. With a secret, requests need the
HMAC-SHA256 of their body in a header, as GitHub sends it. The handler's answer is the response: 200 with data, 204
without. A wrong signature is 401, a failure 500, and 503 with Retry-After says that the app is busy or not there.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	Path     string `metadata:"path,required" doc:"path on the front door, for example /hooks/github"`
	Methods  string `metadata:"methods" alias:"method" default:"POST" doc:"methods that are taken, separated by commas"`
	Secret   string `metadata:"secret,secret" doc:"key of the signatures; without it requests are not checked"`
	Header   string `metadata:"signatureHeader" default:"X-Hub-Signature-256" doc:"header that has the signature, with secret"`
	Prefix   string `metadata:"signaturePrefix" default:"sha256=" doc:"what stands before the signature in its header; none for nothing"`
	Encoding string `metadata:"signatureEncoding" default:"hex" doc:"hex or base64"`
	MaxBody  string `metadata:"maxBodySize" default:"1Mi" doc:"most bytes of a body, for example 64Ki; the front door has a limit of its own"`

	methods []string
	maxBody int64
}

func (s *settings) check(cfg component.Config) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !strings.HasPrefix(s.Path, "/") || path.Clean(s.Path) != s.Path || strings.ContainsAny(s.Path, "{}?# ") {
		bad("metadata field path: want a path such as /hooks/github, found %q", s.Path)
	}
	for m := range strings.SplitSeq(s.Methods, ",") {
		m = strings.ToUpper(strings.TrimSpace(m))
		if !httpguts.ValidHeaderFieldName(m) {
			bad("metadata field methods: want methods such as POST,PUT; found %q", s.Methods)
			break
		}
		s.methods = append(s.methods, m)
	}
	// A secret that could not be found must not turn the check off.
	if text, given := cfg.Metadata.Get("secret"); given && text == "" {
		bad("metadata field secret is empty: give it a value, or leave it out to take requests unchecked")
	}
	if _, given := cfg.Metadata.Get("signatureHeader", "signaturePrefix", "signatureEncoding"); given && s.Secret == "" {
		bad("metadata fields signatureHeader, signaturePrefix and signatureEncoding: need secret")
	}
	if !httpguts.ValidHeaderFieldName(s.Header) {
		bad("metadata field signatureHeader: want the name of a header, found %q", s.Header)
	}
	if s.Prefix == "none" {
		s.Prefix = ""
	}
	if s.Encoding != "hex" && s.Encoding != "base64" {
		bad("metadata field signatureEncoding: want hex or base64, found %q", s.Encoding)
	}
	size, err := humanize.ParseBytes(s.MaxBody)
	if err != nil || size == 0 || size > binding.MaxData {
		bad("metadata field maxBodySize: want a size from 1 to 64Mi, found %q", s.MaxBody)
	}
	s.maxBody = int64(min(size, math.MaxInt64))
	return errors.Join(errs...)
}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(cfg); err != nil {
		return nil, component.Permanent(err)
	}
	if s.Secret == "" && cfg.Log != nil {
		cfg.Log.Warn("a webhook without secret takes requests of anybody", "path", s.Path)
	}
	return &hook{s: s}, nil
}

type hook struct {
	s *settings

	mu      sync.Mutex
	readers []*reader // in the order of Read
}

var (
	_ binding.Binding = (*hook)(nil)
	_ binding.Server  = (*hook)(nil)
)

// reader is one app that gets the requests.
type reader struct {
	*binding.Work
	hook   *hook
	handle binding.Handler
}

// Read adds an app; each of several gets every request, and the sender gets the answer of the first.
func (k *hook) Read(_ context.Context, _ string, h binding.Handler) (binding.Reader, error) {
	r := &reader{Work: binding.NewWork(), hook: k, handle: h}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readers = append(k.readers, r)
	return r, nil
}

// Stop takes no new requests and waits for those that are handled.
func (r *reader) Stop(ctx context.Context) error {
	r.hook.mu.Lock()
	r.hook.readers = slices.DeleteFunc(r.hook.readers, func(other *reader) bool { return other == r })
	r.hook.mu.Unlock()
	return r.Work.Stop(ctx)
}

// Path is where the front door serves it.
func (k *hook) Path() string { return k.s.Path }

// ServeHTTP takes one request.
func (k *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(k.s.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(k.s.methods, ", "))
		http.Error(w, "this webhook takes "+strings.Join(k.s.methods, ", "), http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, k.s.maxBody))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, fmt.Sprintf("the body is larger than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if !k.signed(r, body) {
		http.Error(w, "the signature in "+k.s.Header+" is missing or wrong", http.StatusUnauthorized)
		return
	}
	answer, err := k.deliver(r.Context(), event(r, body))
	respond(w, answer, err)
}

// signed checks the signature. The comparison takes the same time wherever they differ.
func (k *hook) signed(r *http.Request, body []byte) bool {
	if k.s.Secret == "" {
		return true
	}
	text, ok := strings.CutPrefix(r.Header.Get(k.s.Header), k.s.Prefix)
	if !ok {
		return false
	}
	decode := hex.DecodeString
	if k.s.Encoding == "base64" {
		decode = base64.StdEncoding.DecodeString
	}
	got, err := decode(text)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(k.s.Secret))
	_, _ = mac.Write(body) // never fails, by its documentation
	return hmac.Equal(got, mac.Sum(nil))
}

func event(r *http.Request, body []byte) *binding.Event {
	m := map[string]string{"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery}
	for name, values := range r.Header {
		switch name {
		case "Traceparent", "Tracestate":
			name = strings.ToLower(name) // the sender's trace goes on
		}
		m[name] = strings.Join(values, ", ")
	}
	return &binding.Event{Data: body, ContentType: r.Header.Get("Content-Type"), Metadata: m}
}

// errNobody says that no app takes events now.
var errNobody = errors.New("nobody reads")

// deliver hands the event to all readers. It succeeds if all do.
func (k *hook) deliver(ctx context.Context, ev *binding.Event) ([]byte, error) {
	k.mu.Lock()
	readers := slices.Clone(k.readers)
	k.mu.Unlock()
	if len(readers) == 0 {
		return nil, errNobody
	}
	answers, errs := make([][]byte, len(readers)), make([]error, len(readers))
	var wg sync.WaitGroup
	for i, r := range readers {
		wg.Go(func() { answers[i], errs[i] = r.call(ctx, ev) })
	}
	wg.Wait()
	return answers[0], errors.Join(errs...)
}

// call ends with the request, and when Stop waits no longer.
func (r *reader) call(ctx context.Context, ev *binding.Event) (answer []byte, err error) {
	err = errNobody // unless it is handled
	r.Do(func(stop context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		answer, err = r.handle(ctx, ev)
	})
	return answer, err
}

// respond tells the sender. What went wrong inside is in the log, not in the response.
func respond(w http.ResponseWriter, answer []byte, err error) {
	full, overloaded := errors.AsType[*binding.OverloadedError](err)
	switch {
	case overloaded:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(full.After.Seconds())))))
		http.Error(w, "busy; try again later", http.StatusServiceUnavailable)
	case errors.Is(err, errNobody):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not ready; try again later", http.StatusServiceUnavailable)
	case err != nil:
		http.Error(w, "the handler failed", http.StatusInternalServerError)
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", contentType(answer))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(answer) // an error means that the client is gone; nobody is left to tell
	}
}

func contentType(answer []byte) string {
	switch {
	case json.Valid(answer):
		return "application/json"
	case utf8.Valid(answer) && !bytes.ContainsRune(answer, 0):
		return "text/plain; charset=utf-8"
	default:
		return "application/octet-stream"
	}
}

func (k *hook) Close(context.Context) error { return nil }
