package blobstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiblob "github.com/mrt-wasm/mrt-wasm/abi/wasi/blobstore"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// seen notes the operations that pass the chain.
type seen struct{ ops []string }

func (s *seen) Bind(op chain.Op) chain.Guard {
	return func(ctx context.Context, next func(context.Context) error) error {
		s.ops = append(s.ops, op.App+" "+op.Name)
		return next(ctx)
	}
}

func newHost(t *testing.T) (*Host, abiblob.Container, *seen) {
	t.Helper()
	f, _ := openStore(t)
	s := &seen{}
	h := New(Config{Store: f, App: "cart", Type: "blobstore.files", Chain: chain.New(nil, []chain.Policy{s})})
	c, err := h.CreateContainer(t.Context(), "c")
	if err != nil {
		t.Fatal(*err)
	}
	return h, c, s
}

// write makes an object of parts, each of which goes through a stream.
func write(t *testing.T, h *Host, c abiblob.Container, name string, parts ...string) {
	t.Helper()
	v := h.OutgoingValueNewOutgoingValue(t.Context())
	body, ok := v.OutgoingValueWriteBody(t.Context())
	if !ok {
		t.Fatal("no stream")
	}
	if err := c.WriteData(t.Context(), name, v); err != nil {
		t.Fatal(*err)
	}
	for _, p := range parts {
		if err := body.BlockingWriteAndFlush(t.Context(), []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	body.Drop(t.Context())
	if err := h.OutgoingValueFinish(t.Context(), v); err != nil {
		t.Fatal(*err)
	}
}

func TestRanges(t *testing.T) {
	h, c, _ := newHost(t)
	write(t, h, c, "o", "0123", "456789")
	write(t, h, c, "empty")
	const end = ^uint64(0)
	tests := []struct {
		name       string
		start, end uint64
		want       string
		fails      bool
	}{
		{"o", 0, end, "0123456789", false},
		{"o", 0, 9, "0123456789", false},
		{"o", 0, 0, "0", false},
		{"o", 3, 5, "345", false},
		{"o", 9, 9, "9", false},
		{"o", 9, 100, "9", false},
		{"o", 10, 10, "", true},
		{"o", 5, 4, "", true},
		{"o", end, end, "", true},
		{"empty", 0, 0, "", false},
		{"empty", 0, end, "", false},
		{"empty", 1, 1, "", true},
		{"none", 0, end, "", true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.name, tt.start, "-", tt.end), func(t *testing.T) {
			v, err := c.GetData(t.Context(), tt.name, tt.start, tt.end)
			if (err != nil) != tt.fails {
				t.Fatalf("got %v; want an error: %t", err, tt.fails)
			}
			if err != nil {
				return
			}
			if v.Size(t.Context()) != uint64(len(tt.want)) {
				t.Errorf("size: got %d; want %d", v.Size(t.Context()), len(tt.want))
			}
			got, err := h.IncomingValueIncomingValueConsumeSync(t.Context(), v)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			v, err = c.GetData(t.Context(), tt.name, tt.start, tt.end)
			if err != nil {
				t.Fatal(*err)
			}
			body, err := h.IncomingValueIncomingValueConsumeAsync(t.Context(), v)
			if err != nil {
				t.Fatal(*err)
			}
			if got := drain(t, body); got != tt.want {
				t.Errorf("streamed: got %q; want %q", got, tt.want)
			}
		})
	}
}

// drain reads a stream three bytes at a time.
func drain(t *testing.T, body abiio.InputStream) string {
	t.Helper()
	defer body.Drop(t.Context())
	var out strings.Builder
	for {
		p, err := body.BlockingRead(t.Context(), 3)
		if err != nil {
			if err.Tag != abiio.StreamErrorClosed {
				t.Error(err)
			}
			return out.String()
		}
		out.Write(p)
	}
}

func TestTooLongToTakeAtOnce(t *testing.T) {
	h, c, _ := newHost(t)
	v := h.OutgoingValueNewOutgoingValue(t.Context())
	if err := c.WriteData(t.Context(), "big", v); err != nil {
		t.Fatal(*err)
	}
	body, _ := v.OutgoingValueWriteBody(t.Context())
	for range abi.MaxBytes>>20 + 1 {
		if _, err := body.CheckWrite(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := body.Write(t.Context(), make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	body.Drop(t.Context())
	if err := h.OutgoingValueFinish(t.Context(), v); err != nil {
		t.Fatal(*err)
	}
	in, err := c.GetData(t.Context(), "big", 0, ^uint64(0))
	if err != nil {
		t.Fatal(*err)
	}
	if _, err := h.IncomingValueIncomingValueConsumeSync(t.Context(), in); err == nil || !strings.Contains(*err, "consume-async") {
		t.Errorf("got %v; want what to do instead", err)
	}
}

func TestOutgoing(t *testing.T) {
	h, c, _ := newHost(t)
	has := func(name string) bool {
		t.Helper()
		there, err := c.HasObject(t.Context(), name)
		if err != nil {
			t.Error(*err)
		}
		return there
	}
	t.Run("two names", func(t *testing.T) {
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		for _, name := range []string{"a", "b", "a"} {
			if err := c.WriteData(t.Context(), name, v); err != nil {
				t.Fatal(*err)
			}
		}
		if has("a") {
			t.Error("it is there before it is finished")
		}
		if err := h.OutgoingValueFinish(t.Context(), v); err != nil || !has("a") || !has("b") {
			t.Errorf("got %v, %t, %t", err, has("a"), has("b"))
		}
	})
	t.Run("dropped", func(t *testing.T) {
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		body, _ := v.OutgoingValueWriteBody(t.Context())
		if err := c.WriteData(t.Context(), "dropped", v); err != nil {
			t.Fatal(*err)
		}
		v.Drop(t.Context())
		if err := body.BlockingWriteAndFlush(t.Context(), []byte("late")); err == nil || err.Tag != abiio.StreamErrorClosed {
			t.Errorf("a write after the value was dropped: got %v; want closed", err)
		}
		body.Drop(t.Context())
		if has("dropped") {
			t.Error("a value that was dropped is there")
		}
	})
	t.Run("no name", func(t *testing.T) {
		if err := h.OutgoingValueFinish(t.Context(), h.OutgoingValueNewOutgoingValue(t.Context())); err != nil {
			t.Error(*err)
		}
	})
	t.Run("one stream", func(t *testing.T) {
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		defer v.Drop(t.Context())
		body, first := v.OutgoingValueWriteBody(t.Context())
		if _, second := v.OutgoingValueWriteBody(t.Context()); !first || second {
			t.Errorf("got %t, %t; want the stream once", first, second)
		}
		body.Drop(t.Context())
	})
	t.Run("the stream is open", func(t *testing.T) {
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		v.OutgoingValueWriteBody(t.Context())
		defer func() {
			if trap, ok := recover().(*abi.Trap); !ok || !strings.Contains(trap.Reason, "output-stream") {
				t.Errorf("got %v; want a trap about the stream", trap)
			}
		}()
		h.OutgoingValueFinish(t.Context(), v)
	})
	t.Run("bad places", func(t *testing.T) {
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		defer v.Drop(t.Context())
		none := &container{h: h, name: "none"}
		for what, err := range map[string]*string{"no name": c.WriteData(t.Context(), "", v), "no container": none.WriteData(t.Context(), "o", v)} {
			if err == nil {
				t.Errorf("%s: got no error", what)
			}
		}
	})
	t.Run("the container is deleted meanwhile", func(t *testing.T) {
		other, err := h.CreateContainer(t.Context(), "other")
		if err != nil {
			t.Fatal(*err)
		}
		v := h.OutgoingValueNewOutgoingValue(t.Context())
		if err := other.WriteData(t.Context(), "o", v); err != nil {
			t.Fatal(*err)
		}
		if err := h.DeleteContainer(t.Context(), "other"); err != nil {
			t.Fatal(*err)
		}
		if err := h.OutgoingValueFinish(t.Context(), v); err == nil || !strings.Contains(*err, ErrNoContainer.Error()) {
			t.Errorf("got %v; want that there is no container", err)
		}
	})
}

func TestListsAndInfo(t *testing.T) {
	h, c, s := newHost(t)
	for i := range 7 {
		write(t, h, c, fmt.Sprint("o", i), "12345")
	}
	names, failed := c.ListObjects(t.Context())
	if failed != nil {
		t.Fatal(*failed)
	}
	skipped, failed := names.SkipStreamObjectNames(t.Context(), 3)
	if failed != nil || skipped.F0 != 3 || skipped.F1 {
		t.Errorf("skip: got %+v, %v", skipped, failed)
	}
	got, failed := names.ReadStreamObjectNames(t.Context(), 100)
	if failed != nil || len(got.F0) != 4 || !got.F1 {
		t.Errorf("read: got %+v, %v", got, failed)
	}
	if rest, failed := names.ReadStreamObjectNames(t.Context(), 1); failed != nil || len(rest.F0) != 0 || !rest.F1 {
		t.Errorf("at the end: got %+v, %v", rest, failed)
	}
	names.Drop(t.Context())
	if info, failed := c.ObjectInfo(t.Context(), "o1"); failed != nil || info.Size != 5 || info.Container != "c" || info.Name != "o1" || info.CreatedAt == 0 {
		t.Errorf("info: got %+v, %v", info, failed)
	}
	if info, failed := c.Info(t.Context()); failed != nil || info.Name != "c" || info.CreatedAt == 0 {
		t.Errorf("container: got %+v, %v", info, failed)
	}
	if _, failed := c.ObjectInfo(t.Context(), "none"); failed == nil {
		t.Error("info of nothing: got no error")
	}
	if failed := c.DeleteObjects(t.Context(), []string{"o1", "none", "o2"}); failed != nil {
		t.Error(*failed)
	}
	if failed := c.Clear(t.Context()); failed != nil {
		t.Error(*failed)
	}
	if there, _ := c.HasObject(t.Context(), "o3"); there {
		t.Error("o3 is there after clear")
	}
	if _, failed := h.GetContainer(t.Context(), "none"); failed == nil {
		t.Error("a container that is none: got no error")
	}
	for _, op := range []string{"cart create-container", "cart write-data", "cart list-objects", "cart object-info", "cart clear"} {
		if !strings.Contains(strings.Join(s.ops, ","), op) {
			t.Errorf("%s did not pass the chain", op)
		}
	}
}

// refusal is a policy that lets nothing through.
type refusal struct{}

func (refusal) Bind(chain.Op) chain.Guard {
	return func(context.Context, func(context.Context) error) error { return errors.New("not today") }
}

func TestRefused(t *testing.T) {
	f, _ := openStore(t)
	h := New(Config{Store: f, Chain: chain.New(nil, []chain.Policy{refusal{}})})
	if _, err := h.CreateContainer(t.Context(), "c"); err == nil || *err != "not today" {
		t.Errorf("got %v; want the policy's error", err)
	}
	v := h.OutgoingValueNewOutgoingValue(t.Context())
	if err := h.OutgoingValueFinish(t.Context(), v); err == nil || *err != "not today" {
		t.Errorf("got %v; want the policy's error", err)
	}
}
