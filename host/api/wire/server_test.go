package wire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// TestStopDropsNothing: clients that send request after request get an answer on every connection that they have;
// only new connections fail once the server stops.
func TestStopDropsNothing(t *testing.T) {
	s := wire.NewServer(wire.ServerConfig{
		Name: "test", Addresses: []string{"127.0.0.1:0"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	url := s.URLs()[0]
	var wg sync.WaitGroup
	var answered atomic.Int64
	for range 8 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for post(t, client, url) {
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// post sends a request that the client does not repeat by itself; false when no new connection is to be had.
func post(t *testing.T, client *http.Client, url string) bool {
	t.Helper()
	reused := false
	ctx := httptrace.WithClientTrace(context.WithoutCancel(t.Context()), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, io.NopCloser(strings.NewReader("x")))
	if err != nil {
		t.Error(err)
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		if reused {
			t.Errorf("a request on an open connection was dropped: %v", err)
		}
		return false
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Errorf("got %s, %v", resp.Status, err)
	}
	return true
}
