package plugin

import (
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	wasihttp "github.com/mrt-wasm/mrt-wasm/host/wasi/http"
)

// What a component sends by wasi:http goes to the hosts that its metadata allows, once the block is there.
func TestRequests(t *testing.T) {
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()
	var log strings.Builder
	r := &requests{name: "s", log: slog.New(slog.NewTextHandler(&log, nil))}
	request := func(url string) *nethttp.Request {
		req, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	send := func(url string) (string, error) {
		res, err := r.Send(request(url))
		if err != nil {
			return "", err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	_, err := send(server.URL)
	if !errors.Is(err, errEarly) || !errors.Is(r.Check(request(server.URL)), errEarly) {
		t.Errorf("before the block is there: got %v", err)
	}
	b, err := http.New(http.Config{
		Apps: func(string) http.AppConfig { return http.AppConfig{AllowHosts: []string{server.URL}} }, Chain: chain.New(nil, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.Open(t.Context(), app(component.PluginApp("s")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close(t.Context()) }()
	r.provide(b)
	if err := r.Check(request(server.URL)); err != nil {
		t.Error(err)
	}
	if body, err := send(server.URL); err != nil || body != "hello" {
		t.Errorf("got %q, %v", body, err)
	}
	_, err = send("http://127.0.0.1:1/")
	if _, ok := errors.AsType[*wasihttp.DeniedError](err); !ok || !strings.Contains(log.String(), "plugin may not send this request") {
		t.Errorf("another host: got %v, log %s", err, log.String())
	}
}
