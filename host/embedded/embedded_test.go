package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
)

func connect(t *testing.T, s *embedded.Services) jetstream.JetStream {
	t.Helper()
	p, err := s.NATS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("", nats.InProcessServer(p))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestMessagesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	s := embedded.New(dir, nil)
	js := connect(t, s)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = embedded.New(dir, nil)
	defer func() { _ = s.Close(context.Background()) }()
	stream, err = connect(t, s).Stream(t.Context(), stream.CachedInfo().Config.Name)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil || string(msg.Data) != "kept" {
		t.Errorf("got %v, %v", msg, err)
	}
}

func TestOneServerForAll(t *testing.T) {
	s := embedded.New(t.TempDir(), nil)
	defer func() { _ = s.Close(context.Background()) }()
	var wg sync.WaitGroup
	var got [4]component.InProcess
	for i := range got {
		wg.Go(func() { got[i], _ = s.NATS(t.Context()) })
	}
	wg.Wait()
	for _, p := range got {
		if p == nil || p != got[0] {
			t.Fatalf("got servers %v, want one", got)
		}
	}
	if addr := got[0].(*server.Server).Addr(); addr != nil && addr != (*net.TCPAddr)(nil) {
		t.Errorf("the server listens on %v; want no port", addr)
	}
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	first, second := embedded.New(dir, nil), embedded.New(dir, nil)
	if _, err := first.NATS(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := second.NATS(t.Context())
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second on the same folder: got %v", err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.NATS(t.Context()); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	s := embedded.New(t.TempDir(), nil)
	for range 2 { // never started, and closed twice
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.NATS(t.Context()); err == nil {
		t.Error("started after close: got no error")
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.New(file, nil).NATS(t.Context())
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestAStartSaysNothing(t *testing.T) {
	var log bytes.Buffer
	s := embedded.New(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := s.NATS(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("a start and stop at level info logged\n%s", log.String())
	}
}
