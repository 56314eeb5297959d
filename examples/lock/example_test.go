package example

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// start runs the example as its manifest has it, and gives the URLs of the front door and the API.
func start(t *testing.T) (front, api string) {
	t.Helper()
	m, err := manifest.Load("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	builder := source.New(source.Options{Dir: dir})
	if err := builder.Prepare(t.Context(), source.All(m.Apps)); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Loader: source.Loader{Builder: builder},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h.Addrs()
}

// call gives 0 and the error when there is no answer.
func call(ctx context.Context, method, url, body string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

var apps = []string{"left", "right"}

// TestLedger: both apps write the ledger all the time, and no entry is lost.
func TestLedger(t *testing.T) {
	front, _ := start(t)
	const workers, entries = 6, 10
	var busy atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for done := 0; done < entries; {
				switch status, text := call(t.Context(), http.MethodPost, front+"/"+apps[worker%2]+"/ledger", ""); status {
				case 200:
					done++
				case 423:
					busy.Add(1)
				default:
					t.Errorf("got %d %s", status, text)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d times somebody else had the lock", busy.Load())
	for _, app := range apps {
		const want = `{"entries":60,"by":{"left":30,"right":30}}`
		if _, got := call(t.Context(), http.MethodGet, front+"/"+app+"/ledger", ""); got != want {
			t.Errorf("%s reads %s, want %s", app, got, want)
		}
	}
}

// TestLeader: of many who want to lead exactly one does, until it resigns or its term is over.
func TestLeader(t *testing.T) {
	front, api := start(t)
	type term struct{ Leader, Owner string }
	elect := func() []term {
		t.Helper()
		const candidates = 8
		var mu sync.Mutex
		var elected []term
		var wg sync.WaitGroup
		for i := range candidates {
			wg.Go(func() {
				status, text := call(t.Context(), http.MethodPost, front+"/"+apps[i%2]+"/leader", "")
				switch status {
				case 200:
					var got term
					if err := json.Unmarshal([]byte(text), &got); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					elected = append(elected, got)
				case 423:
				default:
					t.Errorf("got %d %s", status, text)
				}
			})
		}
		wg.Wait()
		return elected
	}
	var last term
	begun := time.Now()
	for round := range 3 {
		var elected []term
		for end := time.Now().Add(time.Minute); len(elected) == 0 && time.Now().Before(end); {
			elected = elect() // also until the term of the round before is over
		}
		// A term may end while candidates still come, on a machine that is that slow.
		if most := 1 + int(time.Since(begun)/(2*time.Second)); len(elected) == 0 || len(elected) > most {
			t.Fatalf("round %d: %v are leaders, want one", round, elected)
		}
		last = elected[len(elected)-1]
	}
	// Who was followed by another learns that its term is over; a program outside sees the same locks.
	deadline := time.Now().Add(time.Minute)
	for {
		status, text := call(t.Context(), http.MethodPost, api+"/v1.0-alpha1/lock/lockstore", `{"resourceId":"leader","lockOwner":"outside","expiryInSeconds":3600}`)
		if status == 200 && strings.TrimSpace(text) == `{"success":true}` {
			break
		}
		if status != 200 || time.Now().After(deadline) {
			t.Fatalf("a program outside: got %d %s, want the lock when the term is over", status, text)
		}
	}
	if elected := elect(); len(elected) != 0 {
		t.Errorf("%v are leaders beside the program outside", elected)
	}
	if status, text := call(t.Context(), http.MethodDelete, front+"/"+last.Leader+"/leader/"+last.Owner, ""); status != 409 || !strings.Contains(text, "somebody else has the lock") {
		t.Errorf("the last leader resigns: got %d %s, want 409", status, text)
	}
}
