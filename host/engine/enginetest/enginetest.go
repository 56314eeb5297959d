// Package enginetest builds and runs real guests in tests.
package enginetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// closeTimeout bounds the end of engines and pools after a test.
const closeTimeout = 30 * time.Second

// Build compiles the standard Go guest in dir, relative to the test's package, as apps are compiled. An unchanged
// guest costs a fraction of a second: Go's build cache has its packages, and the compile cache its machine code.
func Build(t testing.TB, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build of the guest %s: %v\n%s", dir, err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if raceEnabled {
		warmUp(t, out, wasm)
	}
	return wasm
}

// CacheDir is where compiled guests are kept between test runs.
func CacheDir(t testing.TB) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("tests keep compiled guests in the user's cache folder: %v", err)
	}
	return filepath.Join(dir, "mrt-wasm-test")
}

// New starts an engine that ends with the test. change may alter its configuration.
func New(t testing.TB, change ...func(*engine.Config)) *engine.Engine {
	t.Helper()
	cfg := engine.Config{CacheDir: CacheDir(t)}
	for _, f := range change {
		f(&cfg)
	}
	e, err := engine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, e.Close) })
	return e
}

// Pool makes a pool for a guest that ends with the test.
func Pool(t testing.TB, e *engine.Engine, wasm []byte, cfg engine.PoolConfig) *engine.Pool {
	t.Helper()
	m, err := e.Compile(t.Context(), t.Name(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.App == "" {
		cfg.App = "test"
	}
	p, err := m.Pool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, p.Close) })
	return p
}

// warmUp has the guest compiled by a program without the race detector, which takes a tenth of the time.
func warmUp(t testing.TB, file string, wasm []byte) {
	t.Helper()
	sum := sha256.Sum256(wasm)
	mark := filepath.Join(CacheDir(t), "warm", hex.EncodeToString(sum[:]))
	if _, err := os.Stat(mark); err == nil {
		return
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "github.com/mrt-wasm/mrt-wasm/host/engine/enginetest/warm", CacheDir(t), file)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile the guest without the race detector: %v\n%s", err, msg)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(mark), 0o755), os.WriteFile(mark, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Call calls an export that takes and gives scalars, and gives its result (0 without one).
func Call(ctx context.Context, p *engine.Pool, name string, params ...uint64) (uint64, error) {
	var result uint64
	err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		stack := make([]uint64, max(len(params), 1))
		copy(stack, params)
		err := g.Call(ctx, name, stack)
		result = stack[0]
		return err
	})
	return result, err
}

// shut ends what a test has started, after the test's own context is over.
func shut(t testing.TB, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}
