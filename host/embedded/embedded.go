// Package embedded runs the services that live inside the host's process: a NATS server with JetStream, which opens
// no port and is reached by in-process connections only.
//
// What it has taken survives a crash of the process. It is written to disk by the operating system and not fsynced
// for every message (NATS does so every 2 minutes), so a power cut may lose the last of it.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// MaxPayload is the largest message that the embedded NATS server takes, in bytes: JetStream stores records of at most
// 32 MiB.
const MaxPayload = 32<<20 - 64<<10

// startTimeout bounds the start where ctx does not; recovery of large streams takes time.
const startTimeout = time.Minute

// Services are the embedded services of one host. They start on first use. The zero value is not usable; see New.
type Services struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	nats   *server.Server
	lock   *flock.Flock
	closed bool
}

var _ component.Embedded = (*Services)(nil)

// New makes the services of a host with the given data folder and starts none. A nil log discards.
func New(dataDir string, log *slog.Logger) *Services {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Services{dir: dataDir, log: log}
}

// NATS gives the server, started if it is not running. Its files are in <data folder>/nats, which one process at a
// time can use.
func (s *Services) NATS(ctx context.Context) (component.InProcess, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, component.Permanent(errors.New("the embedded NATS server is stopped: the host is closing"))
	}
	if s.nats != nil {
		return s.nats, nil
	}
	dir := filepath.Join(s.dir, "nats")
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	srv, err := s.start(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.nats, s.lock = srv, lock
	return srv, nil
}

// acquire takes the folder for this process: two servers on the same files destroy them.
func acquire(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, component.Permanent(fmt.Errorf("embedded NATS server: want a writable data folder: %w", err))
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, component.Permanent(fmt.Errorf("embedded NATS server: cannot lock %s: %w", lock.Path(), err))
	case !ok:
		return nil, component.Permanent(fmt.Errorf("embedded NATS server: %s is in use by another process; stop that one or choose another data folder", dir))
	}
	return lock, nil
}

func (s *Services) start(ctx context.Context, dir string) (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "mrt-wasm", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: dir, NoSystemAccount: true,
		MaxPayload: MaxPayload,
		// A client that reads slowly may have several of the largest messages waiting.
		MaxPending: 4 * MaxPayload,
	})
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("embedded NATS server: %w", err))
	}
	log := &logger{log: s.log.With("service", "nats")}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	timeout := startTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = time.Until(end)
	}
	if !srv.ReadyForConnections(timeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("embedded NATS server with its files in %s did not start within %s: %s", dir, timeout.Round(time.Millisecond), log.lastError())
	}
	return srv, nil
}

// Close stops what was started and waits until its files are closed. Connections to it must be closed before. The
// services cannot be started again.
func (s *Services) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.nats == nil {
		return nil
	}
	done := make(chan error, 1)
	srv, lock := s.nats, s.lock
	s.nats, s.lock = nil, nil
	go func() {
		srv.Shutdown()
		srv.WaitForShutdown()
		done <- lock.Close()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the embedded NATS server has not stopped in time: %w", ctx.Err())
	}
}
