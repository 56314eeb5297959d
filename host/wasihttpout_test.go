package host_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// upstream is a server that apps call.
func upstream(t *testing.T) *httptest.Server {
	t.Helper()
	gone := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Errorf("full duplex: %v", err)
		}
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-") {
				w.Header()[name] = values
			}
		}
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Traced", fmt.Sprint(r.Header.Get("Traceparent") != ""))
		w.WriteHeader(203)
		_ = rc.Flush() // a client that is gone ends the copy below
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buf)
			if _, bad := w.Write(buf[:n]); bad != nil || err != nil {
				break
			}
			_ = rc.Flush() // as above
		}
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	})
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a part")
		_ = http.NewResponseController(w).Flush() // the client's errors are its own
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a part")
		_ = http.NewResponseController(w).Flush() // as above
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not now", http.StatusServiceUnavailable) // the body is not read
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		close(gone)
		server.Close()
	})
	return server
}

// refusing gives an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestWASIHTTPOutgoing(t *testing.T) {
	server, closed := upstream(t), refusing(t)
	var log lines
	text := wasiApp("one", "memory: 16Mi, timeout: 1m", `allow: {hosts: ["`+server.URL+`", "http://`+closed+`"]}, `)
	front, _ := startStreamers(t, text, &log, "one")
	tests := map[string]struct {
		url    string
		fields map[string]string
		status int
		body   string
		cut    bool
		logged string
	}{
		"not found":         {url: server.URL + "/nothing", status: 404, body: "404 page not found"},
		"answers early":     {url: server.URL + "/early", status: 503, body: "not now"},
		"denied host":       {url: "http://127.0.0.2:9/", status: 502, body: "ErrorCode::HttpRequestDenied"},
		"denied port":       {url: "http://127.0.0.1:9/", status: 502, body: "ErrorCode::HttpRequestDenied"},
		"denied scheme":     {url: "https" + strings.TrimPrefix(server.URL, "http"), status: 502, body: "ErrorCode::HttpRequestDenied"},
		"refused":           {url: "http://" + closed + "/", status: 502, body: "ErrorCode::ConnectionRefused"},
		"no URL":            {url: "x", status: 400, body: "the query is no URL"},
		"first byte":        {url: server.URL + "/silent", fields: map[string]string{"X-First-Byte-Timeout": "50"}, status: 502, body: "ErrorCode::ConnectionReadTimeout"},
		"between bytes":     {url: server.URL + "/stalls", fields: map[string]string{"X-Between-Bytes-Timeout": "50"}, status: 200, body: "a part", cut: true, logged: "proxy: read: Some(ErrorCode::ConnectionReadTimeout)"},
		"server breaks off": {url: server.URL + "/cut", status: 200, body: "a part", cut: true, logged: "proxy: read: Some(ErrorCode::"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", front+"/one/proxy?"+tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tt.fields {
				req.Header.Set(name, value)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if tt.cut && res.StatusCode == 500 {
				body, err = nil, io.ErrUnexpectedEOF // it failed before the part was sent on
			} else if res.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
				t.Errorf("got %d %s; want %d with %s", res.StatusCode, body, tt.status, tt.body)
			}
			if cut := err != nil; cut != tt.cut {
				t.Errorf("got %q and the error %v, want the body cut off: %t", body, err, tt.cut)
			}
			waitFor(t, "the log has "+tt.logged, func() bool { return strings.Contains(log.String(), tt.logged) })
		})
	}
	if want := "add it to the app's manifest"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say what to do about a refusal:\n%s", grep(log.String(), "127.0.0.2"))
	}
}

// What goes through an app to a server and back is streamed in both directions.
func TestWASIHTTPProxyStreams(t *testing.T) {
	server := upstream(t)
	text := wasiApp("one", "memory: 16Mi, timeout: 10m", `allow: {hosts: ["`+server.URL+`"]}, `)
	front, _ := startStreamers(t, text, io.Discard, "one")
	t.Run("parts", func(t *testing.T) { exchangeParts(t, front+"/one/proxy?"+server.URL+"/echo") })
	t.Run("much", func(t *testing.T) {
		const size = 64 << 20
		res, err := http.Post(front+"/one/proxy?"+server.URL+"/echo", "", &pattern{n: size})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		checkPattern(t, res.Body, size)
		if res.StatusCode != 203 || res.Header.Get("X-Traced") != "true" || res.Trailer.Get("X-Sum") != "42" {
			t.Errorf("got %d %v %v; want 203, a traced request, and the trailer", res.StatusCode, res.Header, res.Trailer)
		}
	})
	t.Run("app to app", func(t *testing.T) {
		status, _, body := fetch(t, "POST", front+"/one/proxy?"+front+"/one/echo", "x")
		if status != 502 || !strings.Contains(body, "HttpRequestDenied") {
			t.Errorf("the front door as a host that is not allowed: got %d %s", status, body)
		}
	})
}
