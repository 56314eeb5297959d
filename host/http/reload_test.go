package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
)

// Under load, an app is replaced over and over. No request may fail, and none may reach an app that was closed.
func TestReloadUnderLoadDropsNothing(t *testing.T) {
	var late atomic.Int64
	generation := func(n int) (*apitest.App, func()) {
		var closed atomic.Bool
		app := answer("app", 200, fmt.Sprint(n))
		app.Gate = func(context.Context) error {
			if closed.Load() {
				late.Add(1)
				return errors.New("closed app was called")
			}
			time.Sleep(time.Millisecond)
			if closed.Load() {
				late.Add(1)
			}
			return nil
		}
		return app, func() { closed.Store(true) }
	}
	app, closeApp := generation(0)
	other := answer("other", 200, "other")
	f, url := open(t, Config{}, Mount{App: app}, Mount{App: other})

	stop := make(chan struct{})
	var served, failed atomic.Int64
	var wg sync.WaitGroup
	client := http.Client{Timeout: deadline, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	for i := range 8 {
		wg.Go(func() {
			path := []string{"/app/x", "/other/x"}[i%2]
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := client.Get(url + path)
				if err != nil {
					failed.Add(1)
					t.Errorf("request: %v", err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("got status %d, want 200", res.StatusCode)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := 1; n <= 40; n++ {
		next, closeNext := generation(n)
		if err := f.Mount(t.Context(), []Mount{{App: next}, {App: other}}); err != nil {
			t.Fatal(err)
		}
		closeApp()
		closeApp = closeNext
		before := served.Load()
		for end := time.Now().Add(deadline); served.Load() < before+20 && failed.Load() == 0; {
			if time.Now().After(end) {
				t.Fatal("no requests are served any more")
			}
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	client.CloseIdleConnections()
	if late.Load() != 0 {
		t.Errorf("%d requests ran in an app after Mount had said that none does", late.Load())
	}
	if _, body := send(t, "GET", url+"/app", nil); body != "40" {
		t.Errorf("got generation %s, want 40", body)
	}
}

func TestMountWaitsOnlyAsLongAsItMay(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	app := answer("app", 200, "old")
	app.Gate = func(context.Context) error {
		close(entered)
		<-release
		return nil
	}
	f, url := open(t, Config{}, Mount{App: app})
	got := make(chan string, 1)
	go func() {
		_, body := send(t, "GET", url+"/app", nil)
		got <- body
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.Mount(ctx, []Mount{{App: answer("app", 200, "new")}})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "app app still serves 1 requests") {
		t.Errorf("got %v, want the number of requests that run", err)
	}
	if _, body := send(t, "GET", url+"/app", nil); body != "new" {
		t.Errorf("got %s, want new: the routes hold although the old app is busy", body)
	}
	close(release)
	if body := <-got; body != "old" {
		t.Errorf("the request in flight: got %s, want old", body)
	}
}

func TestStopFinishesWhatRuns(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	app := answer("app", 200, "done")
	app.Gate = func(context.Context) error {
		close(entered)
		<-release
		return nil
	}
	f, url := open(t, Config{}, Mount{App: app})
	got := make(chan string, 1)
	go func() {
		_, body := send(t, "GET", url+"/app", nil)
		got <- body
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- f.Stop(context.WithoutCancel(t.Context())) }()
	for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break // nothing new is accepted
		}
		_ = c.Close()
		if time.Now().After(end) {
			t.Fatal("still accepts connections")
		}
	}
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned with a request in flight: %v", err)
	default:
	}
	close(release)
	if body := <-got; body != "done" {
		t.Errorf("got %s, want done", body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestStopCutsOffAtTheEnd(t *testing.T) {
	entered := make(chan struct{})
	app := answer("app", 200, "")
	app.Gate = func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}
	b, err := New(Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	f := b.Front()
	if err := errors.Join(f.Mount(t.Context(), []Mount{{App: app}}), f.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := http.Get(f.URLs()[0] + "/app")
		if err == nil {
			_ = res.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
	<-done
}
