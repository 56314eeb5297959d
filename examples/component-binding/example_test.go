package example

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// server is a feed and a webhook.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	feed   []string // guarded by mu
	posted []string // guarded by mu
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feed", func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(r.URL.Query().Get("after"))
		s.mu.Lock()
		defer s.mu.Unlock()
		list := []map[string]any{}
		for i := after; i < len(s.feed); i++ {
			list = append(list, map[string]any{"number": i + 1, "data": s.feed[i]})
		}
		_ = json.NewEncoder(w).Encode(list) // the client is gone: nobody is left to tell
	})
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == `"broken"` {
			http.Error(w, "broken", http.StatusBadGateway)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posted = append(s.posted, string(body))
		fmt.Fprintf(w, "got %d", len(s.posted))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) publish(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = append(s.feed, text)
}

// open runs the example's manifest with the test's server in place of the one that it names.
func open(t *testing.T, s *server, dir string) (out binding.Output, in binding.Input, stop func()) {
	t.Helper()
	text, err := os.ReadFile("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer("http://127.0.0.1:9700", s.URL, "go:./feed", "go:"+filepath.Join(here, "feed"), "100ms", "5ms").Replace(string(text))
	file := filepath.Join(dir, "manifest.yaml")
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers,
		Loader: source.Loader{Builder: source.New(source.Options{Dir: dir})},
	})
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	t.Cleanup(stop)
	c, err := h.Component("news")
	if err != nil {
		t.Fatal(err)
	}
	out, isOut := c.(binding.Output)
	in, isIn := c.(binding.Input)
	if !isOut || !isIn {
		t.Fatalf("the component is a %T, want one that is called and brings events", c)
	}
	return out, in, stop
}

// both is the component, which its host closes and not the suite.
type both struct {
	binding.Output
	binding.Input
}

func (both) Close(context.Context) error { return nil }

func TestConformance(t *testing.T) {
	s := newServer(t)
	out, in, _ := open(t, s, t.TempDir())
	post := func(data string) binding.Request { return binding.Request{Operation: "post", Data: []byte(data)} }
	bindingtest.Run(t, func(testing.TB) binding.Binding { return both{out, in} }, bindingtest.Caps{
		Operations: []string{"post"}, Works: []binding.Request{post(`{"a":1}`)}, Invalid: []binding.Request{post("no JSON")},
		Emit:       func(_ testing.TB, _ binding.Binding, text string) { s.publish(text) },
		Redelivers: true, Keeps: true,
	})
}

func TestPost(t *testing.T) {
	s := newServer(t)
	out, _, _ := open(t, s, t.TempDir())
	reply, err := out.Invoke(t.Context(), &binding.Request{Operation: "post", Data: []byte(`{"hello":"world"}`)})
	if err != nil || string(reply.Data) != "got 1" || reply.Metadata["statusCode"] != "200" || s.posted[0] != `{"hello":"world"}` {
		t.Errorf("got %+v, %v; the webhook has %q", reply, err, s.posted)
	}
	if _, err := out.Invoke(t.Context(), &binding.Request{Operation: "post", Data: []byte(`"broken"`)}); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("a webhook that fails: got %v, want %v", err, binding.ErrUnavailable)
	}
	s.Close()
	if _, err := out.Invoke(t.Context(), &binding.Request{Operation: "post", Data: []byte(`1`)}); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("a webhook that is away: got %v, want %v", err, binding.ErrUnavailable)
	}
}

// TestNoEventTwice: a host that starts again goes on where the last one was.
func TestNoEventTwice(t *testing.T) {
	s, dir := newServer(t), t.TempDir()
	for _, want := range [][]string{{`"one"`, `"two"`}, {`"three"`}} {
		for _, text := range want {
			s.publish(strings.Trim(text, `"`))
		}
		_, in, stop := open(t, s, dir)
		got := make(chan string, 10)
		r, err := in.Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
			got <- string(ev.Data)
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for range want {
			all = append(all, <-got) // events are handled side by side
		}
		slices.Sort(all)
		if !slices.Equal(all, want) {
			t.Errorf("got %s, want %s", all, want)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop()
		if len(got) > 0 {
			t.Errorf("another event came: %s", <-got)
		}
	}
}
