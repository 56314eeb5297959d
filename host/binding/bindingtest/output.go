package bindingtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

func testOperations(t *testing.T, s *suite) {
	got := slices.Sorted(slices.Values(s.output(t).Operations()))
	want := slices.Sorted(slices.Values(s.caps.Operations))
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("operations: got %v, want %v", got, want)
	}
}

func testUnknownOperation(t *testing.T, s *suite) {
	out := s.output(t)
	for _, op := range []string{"", "nope", "CREATE"} {
		_, err := out.Invoke(t.Context(), &binding.Request{Operation: op, Metadata: map[string]string{}})
		if unknown, ok := errors.AsType[*binding.UnknownOperationError](err); !ok || len(unknown.Have) == 0 {
			t.Errorf("operation %q: got %v, want an UnknownOperationError that says which there are", op, err)
		}
	}
}

func testInvalid(t *testing.T, s *suite) {
	out := s.output(t)
	for _, req := range s.caps.Invalid {
		if _, err := out.Invoke(t.Context(), &req); !errors.Is(err, binding.ErrInvalid) {
			t.Errorf("%s with %v: got %v, want ErrInvalid", req.Operation, req.Metadata, err)
		}
	}
}

func testMissing(t *testing.T, s *suite) {
	out := s.output(t)
	for _, req := range s.caps.Missing {
		if _, err := out.Invoke(t.Context(), &req); !errors.Is(err, binding.ErrNotFound) {
			t.Errorf("%s with %v: got %v, want ErrNotFound", req.Operation, req.Metadata, err)
		}
	}
}

func testWorks(t *testing.T, s *suite) {
	out := s.output(t)
	for _, req := range s.caps.Works {
		if _, err := out.Invoke(t.Context(), &req); err != nil {
			t.Errorf("%s with %v: %v", req.Operation, req.Metadata, err)
		}
	}
}

func testCancelled(t *testing.T, s *suite) {
	out := s.output(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := binding.Request{Operation: s.caps.Operations[0]}
	if s.caps.Key != nil {
		req.Metadata = s.caps.Key(fresh("cancelled"))
	}
	if _, err := out.Invoke(ctx, &req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// fresh makes a name that no other run of the suite used: servers keep what they have.
func fresh(name string) string { return name + "-" + strings.ToLower(rand.Text()[:8]) }

func (s *suite) create(ctx context.Context, out binding.Output, name string, data []byte) error {
	_, err := out.Invoke(ctx, &binding.Request{Operation: "create", Data: data, Metadata: s.caps.Key(name)})
	return err
}

func (s *suite) get(ctx context.Context, out binding.Output, name string) ([]byte, error) {
	reply, err := out.Invoke(ctx, &binding.Request{Operation: "get", Metadata: s.caps.Key(name)})
	if err != nil || reply == nil {
		return nil, err
	}
	return reply.Data, nil
}

func testObjects(t *testing.T, s *suite) {
	out := s.output(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, data := range map[string][]byte{
		"text": []byte("hello"), "json": []byte(`{"a":[1,"ü"]}`), "quoted": []byte(`"quoted"`), "base64": []byte("aGVsbG8="),
		"binary": all, "empty": {}, "large": bytes.Repeat([]byte("x"), max(s.caps.Large, 1)),
	} {
		name = fresh(name)
		if err := s.create(t.Context(), out, name, data); err != nil {
			t.Errorf("create %s: %v", name, err)
			continue
		}
		got, err := s.get(t.Context(), out, name)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("get %s: got %d bytes (%.40q), %v; want the %d bytes that were created", name, len(got), got, err, len(data))
		}
		if err := s.create(t.Context(), out, name, []byte("second")); err != nil {
			t.Errorf("create %s again: %v", name, err)
		}
		if got, err := s.get(t.Context(), out, name); err != nil || string(got) != "second" {
			t.Errorf("get %s: got %q, %v; want what was created last", name, got, err)
		}
		s.testDelete(t, out, name)
	}
}

func (s *suite) testDelete(t *testing.T, out binding.Output, name string) {
	t.Helper()
	if !slices.Contains(s.caps.Operations, "delete") {
		return
	}
	if _, err := out.Invoke(t.Context(), &binding.Request{Operation: "delete", Metadata: s.caps.Key(name)}); err != nil {
		t.Errorf("delete %s: %v", name, err)
	}
	got, err := s.get(t.Context(), out, name)
	if got != nil || err != nil && !errors.Is(err, binding.ErrNotFound) {
		t.Errorf("get %s after delete: got %q, %v; want nothing, or ErrNotFound", name, got, err)
	}
}

func testManyAtOnce(t *testing.T, s *suite) {
	out := s.output(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			name := fresh(fmt.Sprintf("many%d", i))
			for n := range 10 {
				want := fmt.Sprintf("%d-%d", i, n)
				if err := s.create(t.Context(), out, name, []byte(want)); err != nil {
					t.Errorf("create: %v", err)
					return
				}
				if got, err := s.get(t.Context(), out, name); err != nil || string(got) != want {
					t.Errorf("get: got %q, %v; want %q", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// call makes a call that works while the server is there.
func (s *suite) call(ctx context.Context, out binding.Output, name string) error {
	if len(s.caps.Works) > 0 {
		req := s.caps.Works[0]
		_, err := out.Invoke(ctx, &req)
		return err
	}
	return s.create(ctx, out, name, []byte("kept"))
}

func testServerAway(t *testing.T, s *suite) {
	out := s.output(t)
	name := fresh("away")
	if err := s.call(t.Context(), out, name); err != nil {
		t.Fatalf("before: %v", err)
	}
	s.caps.Stop(t)
	started := false
	t.Cleanup(func() {
		if !started {
			s.caps.Start(t)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := s.call(ctx, out, name); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("while the server is away: got %v, want ErrUnavailable", err)
	}
	s.caps.Start(t)
	started = true
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = s.call(t.Context(), out, name); err == nil {
			return
		}
	}
	t.Errorf("after the server is back: %v", err)
}

func testPing(t *testing.T, s *suite) {
	p, ok := s.binding(t).(binding.Pinger)
	if !ok {
		return // nothing that could be asked
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}
