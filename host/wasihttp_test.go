package host_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// waitFor waits for what must happen, on however slow a machine.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen within a minute: %s", what)
		}
	}
}

// streamer is a component that answers requests of wasi:http in many ways; see testdata/wasihttp.
func streamer(t *testing.T) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/wasihttp/wasihttp.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// startStreamers runs the component as the apps of a manifest.
func startStreamers(t *testing.T, text string, log io.Writer, names ...string) (front, api string) {
	t.Helper()
	all := guests{}
	for _, name := range names {
		all[name] = streamer(t)
	}
	_, front, api = start(t, text+memoryComponents, all, log)
	return front, api
}

// wasiApp is app with more of its spec.
func wasiApp(name, limits, more string) string {
	return strings.Replace(app(name, limits), "spec: {", "spec: {"+more, 1)
}

func TestWASIHTTPRequest(t *testing.T) {
	front, api := startStreamers(t, wasiApp("one", "memory: 16Mi", "env: {NAME: value}, args: [first], "), io.Discard, "one")
	status, header, body := fetch(t, "POST", front+"/one/request?q=%20x", "abc")
	for _, want := range []string{
		`Method::Post Some(Scheme::Http) Some("` + strings.TrimPrefix(front, "http://") + `") Some("/one/request?q=%20x")`,
		"content-length: 3", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "traceparent: 00-",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s; want %q in it", body, want)
		}
	}
	if status != 200 || header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %d %v", status, header)
	}
	trace := regexp.MustCompile(`traceparent: 00-([0-9a-f]{32})-`).FindStringSubmatch(body)
	if trace == nil || !strings.Contains(header.Get("Traceparent"), trace[1]) {
		t.Errorf("want the answer's traceparent %q to be of the trace that the app got, %q", header.Get("Traceparent"), trace)
	}
	if status, _, body := fetch(t, "GET", front+"/one/nothing", ""); status != 404 || body != "no such path" {
		t.Errorf("a path that the app does not know: got %d %s", status, body)
	}
	if status, _, body := fetch(t, "GET", front+"/two", ""); status != 404 || !strings.Contains(body, "ERR_NO_ROUTE") {
		t.Errorf("a path of no app: got %d %s", status, body)
	}
	if _, _, body := fetch(t, "GET", front+"/one/env", ""); body != `["one", "first"] [("NAME", "value")]` {
		t.Errorf("arguments and environment: got %s", body)
	}
	_, _, body = fetch(t, "GET", front+"/one/fields", "")
	want := "connection: Err(HeaderError::Forbidden)\nx y: Err(HeaderError::InvalidSyntax)\nok: Err(HeaderError::InvalidSyntax)\nok: Ok(())\n1"
	if body != want {
		t.Errorf("fields: got\n%s\nwant\n%s", body, want)
	}
	_, _, metrics := fetch(t, "GET", api+"/metrics", "")
	for _, want := range []string{`mrt_calls_total{app_id="one"} 4`, `mrt_instances_reset_total{app_id="one"} 4`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, grep(metrics, `app_id="one"`))
		}
	}
}

func grep(text, what string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, what) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// A body goes through as it comes: each part is answered before the next is sent, and the trailers come last.
func TestWASIHTTPStreams(t *testing.T) {
	front, _ := startStreamers(t, app("one", "memory: 16Mi"), io.Discard, "one")
	exchangeParts(t, front+"/one/echo")
}

// exchangeParts sends a body in parts to an echo and waits for each of them.
func exchangeParts(t *testing.T, url string) {
	t.Helper()
	from, to := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, from)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Status", "203")
	req.Header.Add("X-Two", "a")
	req.Header.Add("X-Two", "b")
	req.Trailer = http.Header{"X-Sum": nil}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != 203 || fmt.Sprint(res.Header["X-Two"]) != "[a b]" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		part := fmt.Sprintf("part %d\n", i)
		if _, err := io.WriteString(to, part); err != nil {
			t.Fatal(err)
		}
		if got, err := lines.ReadString('\n'); err != nil || got != part {
			t.Fatalf("got %q, %v; want %q", got, err, part)
		}
	}
	req.Trailer.Set("X-Sum", "42")
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v after the last part", rest, err)
	}
	if got := res.Trailer.Get("X-Sum"); got != "42" {
		t.Errorf("trailer: got %q, want 42", got)
	}
}

// pattern is a body of n bytes that are all different from their neighbours.
type pattern struct{ at, n int64 }

// Read gives the next bytes.
func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.n-p.at)]
	for i := range b {
		b[i] = patternByte(p.at + int64(i))
	}
	p.at += int64(len(b))
	return len(b), nil
}

func patternByte(at int64) byte { return byte(at ^ at>>8 ^ at>>16) }

// checkPattern reads a body that must be the pattern.
func checkPattern(t *testing.T, r io.Reader, n int64) {
	t.Helper()
	want := &pattern{n: n}
	buf, expected := make([]byte, 64<<10), make([]byte, 64<<10)
	var got int64
	for {
		k, err := r.Read(buf)
		if _, short := io.ReadFull(want, expected[:k]); short != nil || !bytes.Equal(buf[:k], expected[:k]) {
			t.Fatalf("the body is not the one that was sent, after byte %d", got)
		}
		got += int64(k)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
	}
	if got != n {
		t.Errorf("got %d bytes, want %d", got, n)
	}
}

// Much more than the app's memory goes through one instance.
func TestWASIHTTPBodyLongerThanMemory(t *testing.T) {
	const size = 200 << 20
	front, api := startStreamers(t, app("one", "memory: 16Mi, timeout: 10m"), io.Discard, "one")
	for _, length := range []int64{-1, size} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", front+"/one/echo", &pattern{n: size})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		checkPattern(t, res.Body, size)
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, metrics := fetch(t, "GET", api+"/metrics", "")
	if want := `mrt_instances_started_total{app_id="one"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("/metrics lacks %s:\n%s", want, grep(metrics, `app_id="one"`))
	}
}

// When the client goes away the app's call ends, and the instance serves the next.
func TestWASIHTTPClientGoesAway(t *testing.T) {
	var log lines
	front, api := startStreamers(t, app("one", "maxInstances: 1, timeout: 10m"), &log, "one")
	for _, path := range []string{"ticks", "silent", "spin"} {
		t.Run(path, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", front+"/one/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if path == "ticks" {
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				if got, err := bufio.NewReader(res.Body).ReadString('\n'); got != "tick\n" {
					t.Fatalf("got %q, %v", got, err)
				}
			} else {
				go func() {
					waitFor(t, "the call begins", func() bool {
						_, _, metrics := fetch(t, "GET", api+"/metrics", "")
						return strings.Contains(metrics, `mrt_instances_live{app_id="one"} 1`) && strings.Contains(metrics, `mrt_instances_idle{app_id="one"} 0`)
					})
					cancel()
				}()
				if res, err := http.DefaultClient.Do(req); err == nil {
					_ = res.Body.Close()
					t.Fatalf("got an answer %d from an app that gives none", res.StatusCode)
				}
			}
			cancel()
			if status, _, body := fetch(t, "GET", front+"/one/count", ""); status != 200 || body != "0" {
				t.Errorf("the next request: got %d %s", status, body)
			}
		})
	}
}

// What an app does wrong is told to the client as far as it can be, and ends nothing but its own call.
func TestWASIHTTPBadApps(t *testing.T) {
	var log lines
	front, api := startStreamers(t, app("one", "maxInstances: 1, memory: 16Mi, timeout: 1s"), &log, "one")
	tests := []struct {
		path   string
		status int
		body   string
		cut    bool
		logged string
	}{
		{path: "silent", status: 504, body: "ERR_TIMEOUT"},
		{path: "spin", status: 504, body: "ERR_TIMEOUT"},
		{path: "none", status: 500, body: "ERR_APP_FAILED", logged: "response-outparam.set"},
		{path: "refuse", status: 500, body: "ERR_APP_FAILED", logged: "refused on purpose"},
		{path: "trap-before", status: 500, body: "ERR_APP_FAILED", logged: "unreachable"},
		{path: "grow", status: 500, body: "ERR_APP_FAILED", logged: "spec.limits.memory"},
		{path: "trap-after", status: 200, body: "a part", cut: true, logged: "the connection is cut off"},
		{path: "trap-end", status: 200, body: "whole", logged: "app failed after its answer"},
		{path: "ticks", status: 200, body: "tick", cut: true},
		{path: "unfinished", status: 200, body: "a part", cut: true},
		{path: "length", status: 200, body: "short", cut: true, logged: "length: Err(ErrorCode::HttpResponseBodySize(Some(5)))"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			status, body, err := askUntil(t, front+"/one/"+tt.path, tt.cut)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("got %d %s; want %d with %q", status, body, tt.status, tt.body)
			}
			if cut := errors.Is(err, io.ErrUnexpectedEOF); cut != tt.cut {
				t.Errorf("got the error %v at the end of the body, want it cut off: %t", err, tt.cut)
			}
			waitFor(t, "the log has "+tt.logged, func() bool { return strings.Contains(log.String(), tt.logged) })
			if status, _, body := fetch(t, "GET", front+"/one/count", ""); status != 200 || body != "0" {
				t.Errorf("the next request: got %d %s", status, body)
			}
		})
	}
	_, _, metrics := fetch(t, "GET", api+"/metrics", "")
	for _, want := range []string{`mrt_traps_total{app_id="one",kind="timeout"} 3`, `mrt_instances_live{app_id="one"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, grep(metrics, `app_id="one"`))
		}
	}
}

// askUntil sends a request and gives what was answered, and how the body ended. If parts is true, the body of the
// request lasts until a part of the answer is there.
func askUntil(t *testing.T, url string, parts bool) (status int, text string, err error) {
	t.Helper()
	from, to := io.Pipe()
	if !parts {
		_ = to.Close() // never fails
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, from)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, 512)
	n, err := res.Body.Read(first)
	if err == nil {
		_ = to.Close() // never fails
		var rest []byte
		rest, err = io.ReadAll(res.Body)
		return res.StatusCode, string(first[:n]) + string(rest), err
	}
	return res.StatusCode, string(first[:n]), err
}

// Under policy reset nothing of a call is left, whatever the app leaves open; under policy reuse its memory is.
func TestWASIHTTPInstances(t *testing.T) {
	text := app("one", "maxInstances: 1") + wasiApp("two", "maxInstances: 1", "instances: reuse, ")
	front, _ := startStreamers(t, text, io.Discard, "one", "two")
	for i := range 3 {
		if _, _, got := fetch(t, "GET", front+"/one/count", ""); got != "0" {
			t.Errorf("reset: call %d got %s, want 0", i, got)
		}
		if _, _, got := fetch(t, "GET", front+"/two/count", ""); got != fmt.Sprint(i) {
			t.Errorf("reuse: call %d got %s, want %d", i, got, i)
		}
	}
	for range 5 {
		fetch(t, "GET", front+"/one/leak", "")
	}
	before := runtime.NumGoroutine()
	for range 50 {
		if status, _, body := fetch(t, "GET", front+"/one/leak", ""); status != 200 || body != "left" {
			t.Fatalf("got %d %s", status, body)
		}
	}
	waitFor(t, "what the calls left is gone", func() bool { return runtime.NumGoroutine() <= before+5 })
}

// An app whose instances are kept may leave only so many handles behind: then its call ends, and it starts anew.
func TestWASIHTTPHandlesAreBounded(t *testing.T) {
	var log lines
	front, api := startStreamers(t, wasiApp("two", "maxInstances: 1", "instances: reuse, "), &log, "two")
	for range 5000 {
		if status, _, _ := fetch(t, "GET", front+"/two/leak", ""); status != 200 {
			break
		}
	}
	if want := "handles: expected at most"; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, log.String())
	}
	if status, _, body := fetch(t, "GET", front+"/two/leak", ""); status != 200 {
		t.Errorf("the next request: got %d %s", status, body)
	}
	_, _, metrics := fetch(t, "GET", api+"/metrics", "")
	if want := `mrt_traps_total{app_id="two",kind="abi"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("/metrics lacks %s:\n%s", want, grep(metrics, "traps"))
	}
}
