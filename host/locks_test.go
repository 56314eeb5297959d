package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// lockers are two apps that lock. %s is more of the manifest.
const lockers = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: one}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4, timeout: 60s}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: two}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4, timeout: 60s}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1, metadata: [{name: keyPrefix, value: none}]}
`

// sharedLocks is a store whose resources are the same for all apps, one that only two sees, and a policy.
const sharedLocks = `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: lockstore}
spec: {type: lock.sqlite, version: v1, metadata: [{name: keyPrefix, value: name}, {name: busyTimeout, value: 60s}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: private}
spec: {type: lock.sqlite, version: v1}
scopes: [two]
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: policies}
spec: {policies: {timeouts: {DefaultLockComponentOutboundTimeoutPolicy: 60s}}}
`

func locking(t *testing.T, more string) *system {
	t.Helper()
	guest := enginetest.Build(t, "testdata/locker")
	s := &system{t: t, dir: t.TempDir(), text: lockers + more, wasm: guests{"one": guest, "two": guest}}
	t.Cleanup(s.stop)
	s.start()
	return s
}

// locker is what a request to the guest says.
type locker struct {
	Store, Resource, Owner string
	MS, Sleep              int64
}

func (s *system) locker(app, op string, c locker) (int, string) {
	s.t.Helper()
	body, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post(s.front+"/"+app+"/"+op, "application/json", bytes.NewReader(body))
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

const hour = int64(time.Hour / time.Millisecond)

// TestLocksByDefault: an app that imports lock has a store without any component, each app its own resources, and the
// HTTP API the same ones.
func TestLocksByDefault(t *testing.T) {
	s := locking(t, "")
	for i, tt := range []struct {
		app, op string
		c       locker
		status  int
		text    string
	}{
		{"one", "try", locker{Resource: "r", Owner: "ann", MS: hour}, 200, "taken"},
		{"one", "try", locker{Resource: "r", Owner: "bob", MS: hour}, 200, "busy"},
		{"two", "try", locker{Store: "lockstore", Resource: "r", Owner: "bob", MS: hour}, 200, "taken"},
		{"one", "unlock", locker{Resource: "r", Owner: "bob"}, 409, `in default store: somebody else has the lock`},
		{"one", "unlock", locker{Resource: "s", Owner: "ann"}, 404, `nobody has the lock`},
		{"one", "try", locker{Store: "nope", Resource: "r", Owner: "ann", MS: hour}, 410, `it sees lockstore`},
		{"one", "try", locker{Resource: "a||b", Owner: "ann", MS: hour}, 400, `can't contain '||'`},
		{"one", "try", locker{Resource: "r", MS: hour}, 400, `LockOwner is empty`},
		{"one", "try", locker{Resource: "r", Owner: "ann"}, 400, `ExpiryInSeconds is not positive`},
	} {
		if status, text := s.locker(tt.app, tt.op, tt.c); status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("%d: %s of %s: got %d %s, want %d %s", i, tt.op, tt.app, status, text, tt.status, tt.text)
		}
	}
	api := func(app, path, body string) (int, string) {
		t.Helper()
		status, _, text := s.call(http.MethodPost, "/v1.0-alpha1/"+path, body, "dapr-app-id", app)
		return status, strings.TrimSpace(text)
	}
	if status, text := api("one", "lock/lockstore", `{"resourceId":"r","lockOwner":"eve","expiryInSeconds":60}`); status != 200 || text != `{"success":false}` {
		t.Errorf("try-lock by the API: got %d %s", status, text)
	}
	// A restart keeps locks.
	s.stop()
	s.start()
	if status, text := s.locker("one", "try", locker{Resource: "r", Owner: "bob", MS: hour}); status != 200 || text != "busy" {
		t.Errorf("try-lock after a restart: got %d %s, want busy", status, text)
	}
	if status, text := api("one", "unlock/lockstore", `{"resourceId":"r","lockOwner":"ann"}`); status != 200 || text != `{"status":0}` {
		t.Errorf("unlock by the API: got %d %s", status, text)
	}
	if status, text := s.locker("one", "unlock", locker{Resource: "r", Owner: "ann"}); status != 404 {
		t.Errorf("unlock after it: got %d %s, want 404", status, text)
	}
	if _, _, text := s.call(http.MethodGet, "/v1.0/metadata", ""); !strings.Contains(text, `{"capabilities":[],"name":"lockstore","type":"lock.sqlite","version":"v1"}`) {
		t.Errorf("metadata: got %s, want the lock store in it", text)
	}
	if status, _, text := s.call(http.MethodGet, "/readyz", ""); status != 200 {
		t.Errorf("readyz: got %d %s", status, text)
	}
	if _, _, text := s.call(http.MethodGet, "/metrics", ""); !strings.Contains(text, `"lockstore"`) {
		t.Error("metrics have nothing of the lock store")
	}
}

// TestLocksExclude: instances of two apps count under one lock, and no count is lost.
func TestLocksExclude(t *testing.T) {
	s := locking(t, sharedLocks)
	const workers, turns = 6, 5
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			app := []string{"one", "two"}[worker%2]
			for turn := 0; turn < turns; {
				status, text := s.locker(app, "count", locker{Store: "lockstore", Resource: "count", MS: hour, Sleep: 1})
				switch {
				case status == 200 && text == "counted":
					turn++
				case status != 200 || text != "busy":
					t.Errorf("%s: got %d %s", app, status, text)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, _, text := s.call(http.MethodGet, "/v1.0/state/statestore/count", ""); text != fmt.Sprint(workers*turns) {
		t.Errorf("counted %s, want %d", text, workers*turns)
	}
	if status, text := s.locker("one", "try", locker{Store: "private", Resource: "r", Owner: "ann", MS: hour}); status != 410 {
		t.Errorf("a store of another app: got %d %s, want 410", status, text)
	}
	if status, text := s.locker("two", "try", locker{Store: "private", Resource: "r", Owner: "ann", MS: hour}); status != 200 {
		t.Errorf("its own store: got %d %s", status, text)
	}
}

// TestLocksEnd: a lock ends with its time when its owner is too slow, or is gone.
func TestLocksEnd(t *testing.T) {
	s := locking(t, sharedLocks)
	slow := locker{Store: "lockstore", Resource: "slow", MS: 20, Sleep: 200}
	if status, text := s.locker("one", "count", slow); status != 498 || !strings.Contains(text, "the lock's time was over before the work was done (20ms)") {
		t.Errorf("work that takes longer than the lock: got %d %s", status, text)
	}
	dead := locker{Store: "lockstore", Resource: "dead", Owner: "ann", MS: 500}
	if status, text := s.locker("one", "forget", dead); status != 500 {
		t.Errorf("a guest that traps: got %d %s", status, text)
	}
	next := locker{Store: "lockstore", Resource: "dead", Owner: "bob", MS: hour}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, text := s.locker("two", "try", next)
		if status == 200 && text == "taken" {
			return
		}
		if status != 200 || time.Now().After(end) {
			t.Fatalf("after the holder has trapped: got %d %s, want the lock in the end", status, text)
		}
	}
}

// TestNoLocks: without an app that locks there is no store, as in Dapr.
func TestNoLocks(t *testing.T) {
	_, _, api := start(t, relays(memoryComponents), relayGuests(t), &lines{})
	status, _, text := fetch(t, http.MethodPost, api+"/v1.0-alpha1/lock/lockstore", `{"resourceId":"r","lockOwner":"ann","expiryInSeconds":60}`)
	if status != 500 || !strings.Contains(text, "ERR_LOCK_STORE_NOT_CONFIGURED") {
		t.Errorf("got %d %s, want 500 ERR_LOCK_STORE_NOT_CONFIGURED", status, text)
	}
}
