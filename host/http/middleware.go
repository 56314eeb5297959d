package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// ErrUnavailable is the class of errors of a middleware that cannot work now: one that trapped, or is not started yet.
var ErrUnavailable = errors.New("middleware is not available")

// Middleware is what a driver of kind "middleware" implements: it stands in front of the apps, or of the API. Its methods
// are safe for concurrent use.
type Middleware interface {
	// HandleRequest looks at a request and gives what becomes of it. After an error the request goes no further.
	HandleRequest(ctx context.Context, req abihttp.Request) (abihttp.Action, error)
	// Close ends the middleware.
	Close(ctx context.Context) error
}

// ResponseHandler is a Middleware that looks at answers too.
type ResponseHandler interface {
	// HandleResponse gives the answer in place of what was answered. req is as this middleware let it go on, without
	// its body. After an error the client gets nothing of the answer.
	HandleResponse(ctx context.Context, req abihttp.Request, res abihttp.Response) (abihttp.Response, error)
}

// Stage is one middleware of a pipeline.
type Stage struct {
	// Name and Type are those of the component.
	Name, Type string
	Middleware Middleware
}

// PipelineConfig says what a pipeline does.
type PipelineConfig struct {
	// Name stands in the log, for example "spec.httpPipeline".
	Name string
	// Stages are passed in this order, and by answers in the opposite one.
	Stages []Stage
	// MaxBody bounds a request's body in bytes, before and behind each middleware; 0 means 4 MiB.
	MaxBody int64
	Chain   *chain.Chain
	// Log may be nil.
	Log *slog.Logger
}

// Pipeline is a list of middleware in front of a handler. A request passes only if each of them lets it.
type Pipeline struct {
	cfg    PipelineConfig
	stages []stage
	// answers tells that a stage looks at answers.
	answers bool
	// sending is called before an answer of the pipeline is written; nil for nothing to do.
	sending func(w http.ResponseWriter)
}

// stage is a Stage with its places in the call chain.
type stage struct {
	Stage
	request, response *chain.Point
	answers           ResponseHandler // nil if it does not look at them
}

// NewPipeline makes a pipeline; nil for one without stages, which is valid and lets everything pass.
func NewPipeline(cfg PipelineConfig) *Pipeline {
	if len(cfg.Stages) == 0 {
		return nil
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = wire.MaxBody
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pipeline{cfg: cfg}
	for _, s := range cfg.Stages {
		op := chain.Op{Direction: chain.Outbound, Block: "middleware", Name: "handle-request", Target: s.Name, Type: s.Type}
		st := stage{Stage: s, request: cfg.Chain.Point(op)}
		if h, ok := s.Middleware.(ResponseHandler); ok {
			op.Name = "handle-response"
			st.response, st.answers = cfg.Chain.Point(op), h
			p.answers = true
		}
		p.stages = append(p.stages, st)
	}
	return p
}

// Wrap puts the pipeline in front of next. The request that next gets has its body in memory.
func (p *Pipeline) Wrap(next http.Handler) http.Handler {
	if p == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, next) })
}

func (p *Pipeline) begin(w http.ResponseWriter) {
	if p.sending != nil {
		p.sending(w)
	}
}

// passage is one request on its way through a pipeline.
type passage struct {
	*Pipeline
	w http.ResponseWriter
	r *http.Request
	// sent are the requests as the stages let them go on, by stage.
	sent []abihttp.Request
}

func (p *Pipeline) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx := r.Context()
	body, err := wire.ReadBody(w, r, p.cfg.MaxBody)
	if err != nil {
		p.begin(w)
		writeBodyError(ctx, w, err, p.cfg.Log)
		return
	}
	v := &passage{Pipeline: p, w: w, r: r}
	req := requestOf(r, body)
	for i := range p.stages {
		s := &p.stages[i]
		action, err := chain.Do(ctx, s.request, s.Middleware.HandleRequest, req)
		if err == nil {
			err = p.check(action)
		}
		switch {
		case err != nil:
			v.fail(ctx, s, err)
			return
		case action.Tag == abihttp.ActionRespond:
			v.answer(ctx, s, i, action.Respond)
			return
		}
		req = action.Next
		v.sent = append(v.sent, req)
	}
	out, err := httpRequest(r, req)
	if err != nil { // check has seen that it is valid
		v.fail(ctx, &p.stages[len(p.stages)-1], err)
		return
	}
	if !p.answers {
		next.ServeHTTP(w, out)
		return
	}
	rec := &buffer{header: w.Header().Clone(), limit: abi.MaxBytes}
	next.ServeHTTP(rec, out)
	if rec.over {
		v.fail(ctx, &p.stages[len(p.stages)-1], fmt.Errorf("the answer is longer than the limit of %d bytes that middleware can look at", abi.MaxBytes))
		return
	}
	clear(w.Header()) // all of it is in the answer
	v.answer(ctx, nil, len(p.stages), rec.response())
}

// check refuses what a middleware may not make of a request.
func (p *Pipeline) check(a abihttp.Action) error {
	if a.Tag == abihttp.ActionRespond {
		return checkResponse(a.Respond)
	}
	switch q := a.Next; {
	case a.Tag != abihttp.ActionNext:
		return fmt.Errorf("expected next or respond, found %s", a.Tag)
	case !wire.ValidMethod(q.Method):
		return fmt.Errorf("the request that it lets go on: expected a verb, found %q", clip(q.Method, maxQuote))
	case !strings.HasPrefix(q.Path, "/") || dotted(q.Path):
		return fmt.Errorf("the request that it lets go on: expected a path that starts with / and has no . and .. in it, found %q", clip(q.Path, maxQuote))
	case int64(len(q.Body)) > p.cfg.MaxBody:
		return fmt.Errorf("the request that it lets go on: expected a body of up to %d bytes, found %d", p.cfg.MaxBody, len(q.Body))
	}
	for _, h := range a.Next.Headers {
		if !wire.ValidField(h.Name, h.Value) {
			return fmt.Errorf("the request that it lets go on: header field %q is not valid", clip(h.Name, maxQuote))
		}
	}
	_, err := targetOf(a.Next)
	return err
}

// maxQuote bounds what is quoted of a middleware's request in an error, in bytes.
const maxQuote = 200

func checkResponse(r abihttp.Response) error {
	if r.Status < 200 || r.Status > 599 {
		return fmt.Errorf("its answer: expected a status of 200 to 599, found %d", r.Status)
	}
	return nil
}

// answer sends an answer back through the stages before end, the last first. from is the stage that gave it; nil for
// one that comes from behind the pipeline.
func (v *passage) answer(ctx context.Context, from *stage, end int, res abihttp.Response) {
	for i := end - 1; i >= 0; i-- {
		s := &v.stages[i]
		if s.answers == nil {
			continue
		}
		req := v.sent[i]
		req.Body = nil
		out, err := chain.Do(ctx, s.response, func(ctx context.Context, res abihttp.Response) (abihttp.Response, error) {
			return s.answers.HandleResponse(ctx, req, res)
		}, res)
		if err == nil {
			err = checkResponse(out)
		}
		if err != nil {
			v.fail(ctx, s, err)
			return
		}
		res, from = out, s
	}
	v.begin(v.w)
	if parent := telemetry.Traceparent(ctx); parent != "" && !has(res.Headers, "Traceparent") {
		v.w.Header().Set("Traceparent", parent)
	}
	bad, _ := wire.WriteResponse(v.w, v.r.Method, res.Status, func(add func(name, value string)) {
		for _, h := range res.Headers {
			if !strings.EqualFold(h.Name, "Traceparent") {
				add(h.Name, h.Value)
			} else if wire.ValidField(h.Name, h.Value) {
				v.w.Header().Set("Traceparent", h.Value)
			}
		}
	}, res.Body)
	if len(bad) > 0 && from != nil {
		v.cfg.Log.WarnContext(ctx, "middleware answered with header fields that HTTP forbids; they were left out", "component", from.Name, "fields", bad)
	}
}

func has(list []abihttp.Header, name string) bool {
	for _, h := range list {
		if strings.EqualFold(h.Name, name) {
			return true
		}
	}
	return false
}

// fail answers for a middleware that failed. The log has what happened; the client learns nothing of it.
func (v *passage) fail(ctx context.Context, s *stage, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		v.cfg.Log.DebugContext(ctx, "client went away before the middleware was done", "component", s.Name, "pipeline", v.cfg.Name)
		writeError(ctx, v.w, statusClientGone, "ERR_CANCELED", "the request was canceled")
		return
	}
	v.cfg.Log.ErrorContext(ctx, "middleware failed; the request was answered with 500", "component", s.Name, "type", s.Type,
		"pipeline", v.cfg.Name, "path", clip(v.r.URL.Path, maxQuote), "error", err)
	clear(v.w.Header())
	v.begin(v.w)
	writeError(ctx, v.w, http.StatusInternalServerError, "ERR_MIDDLEWARE_FAILED", "a middleware failed to handle the request")
}

// requestOf gives a request in the contract's form, without what belongs to its connection.
func requestOf(r *http.Request, body []byte) abihttp.Request {
	h := r.Header.Clone()
	wire.StripHopByHop(h)
	headers := make([]abihttp.Header, 0, wire.Count(h))
	wire.Fields(h, func(name, value string) { headers = append(headers, abihttp.Header{Name: name, Value: value}) })
	return abihttp.Request{
		Method: r.Method, Scheme: wire.Scheme(r), Authority: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Remote: r.RemoteAddr, Headers: headers, Body: body,
	}
}

// httpRequest gives r as a pipeline let it go on. Scheme and peer stay what they are.
func httpRequest(r *http.Request, q abihttp.Request) (*http.Request, error) {
	u, err := targetOf(q)
	if err != nil {
		return nil, err
	}
	out := r.WithContext(r.Context())
	out.Method, out.URL, out.RequestURI, out.Host = q.Method, u, u.RequestURI(), q.Authority
	out.Header = make(http.Header, len(q.Headers))
	for _, h := range q.Headers {
		out.Header.Add(h.Name, h.Value)
	}
	wire.StripHopByHop(out.Header)
	out.Header.Del("Content-Length")
	setBody(out, q.Body)
	return out, nil
}

// targetOf gives the URL of a request.
func targetOf(q abihttp.Request) (*url.URL, error) {
	text := q.Path
	if q.Query != "" {
		text += "?" + q.Query
	}
	u, err := url.ParseRequestURI(text)
	if err != nil || u.Path == "" || strings.Contains(q.Path, "?") || dotted(u.Path) {
		return nil, fmt.Errorf("the request that it lets go on: %q is not a path and a query", clip(text, maxQuote))
	}
	if strings.HasPrefix(text, "//") { // it would be taken for a host
		u.Host = ""
		if u.Path, err = url.PathUnescape(q.Path); err != nil {
			return nil, err
		}
		u.RawPath = q.Path
	}
	return u, nil
}
