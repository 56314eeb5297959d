package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
)

// gate is a middleware of Go functions.
type gate func(req abihttp.Request) (abihttp.Action, error)

func (g gate) HandleRequest(_ context.Context, req abihttp.Request) (abihttp.Action, error) {
	return g(req)
}
func (gate) Close(context.Context) error { return nil }

// mirror lets everything pass and looks at answers.
type mirror struct{ gate }

func (mirror) HandleResponse(_ context.Context, req abihttp.Request, res abihttp.Response) (abihttp.Response, error) {
	if req.Body != nil {
		return res, errors.New("the request has its body")
	}
	res.Headers = append(res.Headers, abihttp.Header{Name: "X-Mirror", Value: req.Method})
	return res, nil
}

func pass(req abihttp.Request) (abihttp.Action, error) {
	return abihttp.Action{Tag: abihttp.ActionNext, Next: req}, nil
}

// guarded starts a front door with a pipeline in front of an app that echoes.
func guarded(t *testing.T, log *syncBuffer, stages ...Stage) string {
	t.Helper()
	b, err := New(Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	f := b.Front()
	f.Use(NewPipeline(PipelineConfig{Name: "spec.appHttpPipeline", Stages: stages, MaxBody: 100, Log: slog.New(slog.NewTextHandler(log, nil))}))
	if err := f.Mount(t.Context(), []Mount{{App: echo("app")}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return f.URLs()[0]
}

func TestPipelineWithoutStages(t *testing.T) {
	if p := NewPipeline(PipelineConfig{}); p != nil {
		t.Errorf("got %v, want none", p)
	}
	h := http.NotFoundHandler()
	if got := (*Pipeline)(nil).Wrap(h); got == nil {
		t.Error("no pipeline: got no handler")
	}
}

func TestPipelineDecides(t *testing.T) {
	change := func(f func(q *abihttp.Request)) gate {
		return func(q abihttp.Request) (abihttp.Action, error) {
			f(&q)
			return pass(q)
		}
	}
	for name, tt := range map[string]struct {
		gate   gate
		status int
		want   string // in the answer, or in the log
	}{
		"passes": {pass, 200, `"Path":"/app/a%2Fb"`},
		"header": {change(func(q *abihttp.Request) { q.Headers = append(q.Headers, abihttp.Header{Name: "X-New", Value: "1"}) }), 200, `"X-New"`},
		"caller": {change(func(q *abihttp.Request) {
			q.Headers = append(q.Headers, abihttp.Header{Name: "Dapr-Caller-App-Id", Value: "admin"})
		}), 200, `"Path"`},
		"to no route":    {change(func(q *abihttp.Request) { q.Path = "/nowhere" }), 404, "ERR_NO_ROUTE"},
		"slashes":        {change(func(q *abihttp.Request) { q.Path = "//app" }), 404, "ERR_NO_ROUTE"},
		"error":          {func(abihttp.Request) (abihttp.Action, error) { return abihttp.Action{}, errors.New("broken gate") }, 500, "broken gate"},
		"no decision":    {func(abihttp.Request) (abihttp.Action, error) { return abihttp.Action{Tag: 7}, nil }, 500, "expected next or respond"},
		"no verb":        {change(func(q *abihttp.Request) { q.Method = "CONNECT" }), 500, "expected a verb"},
		"no path":        {change(func(q *abihttp.Request) { q.Path = "http://x/" }), 500, "expected a path"},
		"question mark":  {change(func(q *abihttp.Request) { q.Path = "/a?b" }), 500, "not a path"},
		"escaped dots":   {change(func(q *abihttp.Request) { q.Path = "/a/%2e%2e/b" }), 500, "not a path"},
		"broken escape":  {change(func(q *abihttp.Request) { q.Path = "/%zz" }), 500, "not a path"},
		"long body":      {change(func(q *abihttp.Request) { q.Body = make([]byte, 101) }), 500, "up to 100 bytes"},
		"smuggled field": {change(func(q *abihttp.Request) { q.Headers = []abihttp.Header{{Name: "A", Value: "b\nC: d"}} }), 500, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			var log syncBuffer
			url := guarded(t, &log, Stage{Name: "g", Type: "middleware.test", Middleware: tt.gate})
			res, body := send(t, "POST", url+"/app/a%2Fb", strings.NewReader("hello"))
			if res.StatusCode != tt.status || !strings.Contains(body+log.String(), tt.want) || strings.Contains(body, "admin") {
				t.Errorf("got %d %s, want %d and %q\n%s", res.StatusCode, body, tt.status, tt.want, log.String())
			}
			if tt.status == 500 && strings.Contains(body, tt.want) {
				t.Errorf("the client is told what happened: %s", body)
			}
		})
	}
}

func TestPipelineLooksAtAnswers(t *testing.T) {
	var log syncBuffer
	url := guarded(t, &log, Stage{Name: "m", Type: "middleware.test", Middleware: mirror{pass}})
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		res, body := send(t, method, url+"/app", nil)
		if res.StatusCode != 200 || res.Header.Get("X-Mirror") != method || len(res.Header["Traceparent"]) != 1 || (body == "") != (method == "HEAD") {
			t.Errorf("%s: got %d %v %q", method, res.StatusCode, res.Header, body)
		}
	}
	if res, _ := send(t, "POST", url+"/app", strings.NewReader(strings.Repeat("x", 101))); res.StatusCode != 413 || res.Header.Get("X-Mirror") != "" {
		t.Errorf("a long body: got %d, want 413 before any middleware", res.StatusCode)
	}
	if res, _ := send(t, "GET", url+"/none", nil); res.StatusCode != 404 || res.Header.Get("X-Mirror") == "" {
		t.Errorf("no route: got %d %v, want 404 past the middleware", res.StatusCode, res.Header)
	}
}
