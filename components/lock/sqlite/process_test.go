package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// workerFile names the file of locks for a process that this test started; without it the process is the test.
const workerFile = "MRT_LOCK_WORKER_FILE"

const (
	workers = 4
	turns   = 25
)

func TestMain(m *testing.M) {
	if file := os.Getenv(workerFile); file != "" {
		if err := work(file); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// work is what each process does: it counts in a file, in two steps, under the lock.
func work(file string) (err error) {
	ctx := context.Background()
	s, err := Spec.New(ctx, component.Config{Metadata: component.Metadata{"connectionString": file, "busyTimeout": "60s"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	counter, inside := file+".counter", file+".inside"
	for turn := 0; turn < turns; {
		owner := fmt.Sprint(os.Getpid(), "-", turn)
		got, err := s.TryLock(ctx, "counter", owner, time.Hour)
		if err != nil {
			return err
		}
		if !got {
			time.Sleep(time.Millisecond)
			continue
		}
		turn++
		mark, err := os.OpenFile(inside, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("another process has the lock too: %w", err)
		}
		text, _ := os.ReadFile(counter) // not there at first
		n, _ := strconv.Atoi(string(text))
		if err := errors.Join(os.WriteFile(counter, []byte(strconv.Itoa(n+1)), 0o600), mark.Close(), os.Remove(inside)); err != nil {
			return err
		}
		if status, err := s.Unlock(ctx, "counter", owner); err != nil || status != lock.Success {
			return fmt.Errorf("unlock: got %s, error %w", status, err)
		}
	}
	return nil
}

// TestProcesses: several processes share one file.
func TestProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock.db")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), workerFile+"="+file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("worker: %v\n%s", err, out)
			}
		})
	}
	wg.Wait()
	text, err := os.ReadFile(file + ".counter")
	if want := strconv.Itoa(workers * turns); err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("counted %s, error %v, want %s", text, err, want)
	}
}

// TestKilledHolder: a lock outlives a process that is killed, until its time is over.
func TestKilledHolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock.db")
	s := opened(t, file)
	if got, err := s.TryLock(t.Context(), "r", "ann", time.Hour); err != nil || !got {
		t.Fatalf("try-lock: got %t, error %v", got, err)
	}
	// The file as it is under an open store, which is what a killed process leaves.
	left := filepath.Join(t.TempDir(), "lock.db")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	again := opened(t, left)
	defer closed(t, again)
	if got, err := again.TryLock(t.Context(), "r", "bob", time.Hour); err != nil || got {
		t.Errorf("try-lock by somebody else: got %t, error %v, want false", got, err)
	}
	if status, err := again.Unlock(t.Context(), "r", "ann"); err != nil || status != lock.Success {
		t.Errorf("unlock by the owner: got %s, error %v, want %s", status, err, lock.Success)
	}
}
