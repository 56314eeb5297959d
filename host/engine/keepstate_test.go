package engine_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// withoutImages asserts that an instance without an image says so, and tells whether the tests run without images.
func withoutImages(t *testing.T, k *engine.Kept) bool {
	t.Helper()
	if images != engine.ImagesOff {
		return false
	}
	if err := k.Mark(); !errors.Is(err, engine.ErrNoImage) {
		t.Errorf("Mark: want ErrNoImage, got %v", err)
	}
	if err := k.Rollback(); !errors.Is(err, engine.ErrNoImage) {
		t.Errorf("Rollback: want ErrNoImage, got %v", err)
	}
	if _, err := k.Save(); !errors.Is(err, engine.ErrNoImage) {
		t.Errorf("Save: want ErrNoImage, got %v", err)
	}
	return true
}

// memory gives a copy of the guest's memory.
func memory(t testing.TB, k *engine.Kept) []byte {
	t.Helper()
	var mem []byte
	if err := k.Do(t.Context(), func(_ context.Context, g abi.Guest) error {
		mem = bytes.Clone(g.Memory())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return mem
}

// differing counts the 64-byte blocks in which two memories differ.
func differing(a, b []byte) int {
	if len(a) != len(b) {
		return max(len(a), len(b)) / 64
	}
	n := 0
	for off := 0; off < len(a); off += 64 {
		if !bytes.Equal(a[off:off+64], b[off:off+64]) {
			n++
		}
	}
	return n
}

// generatorBlocks is how many blocks two generators of 300 bytes may lie in.
const generatorBlocks = 2 * 6

func TestSaveAndWake(t *testing.T) {
	engines(t, func(t *testing.T, e *engine.Engine) {
		p := keptPool(t, e, &keptHost{}, engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{Timeout: time.Minute}})
		k := keep(t, p, nil)
		if withoutImages(t, k) {
			if _, err := p.Keep(t.Context(), []byte("x")); !errors.Is(err, engine.ErrChanged) {
				t.Errorf("want ErrChanged for an app without an image, got %v", err)
			}
			return
		}
		for round := range 4 {
			for n := range 5 {
				call(t, k, "deposit", uint64(n))
			}
			if round == 2 {
				call(t, k, "grow", 4)
			}
			sum, clock := call(t, k, "checked"), call(t, k, "clock")
			saved, err := k.Save()
			if err != nil {
				t.Fatal(err)
			}
			if again, err := k.Save(); err != nil || len(again) < len(saved)-1000 {
				t.Errorf("want Save to change nothing, got %d bytes after %d, %v", len(again), len(saved), err)
			}
			before := memory(t, k)
			if round%2 == 0 {
				k.Close(t.Context())
			}
			woken := keep(t, p, saved)
			if n := differing(before, memory(t, woken)); n > generatorBlocks {
				t.Errorf("round %d: want the memory as it was but for two generators, %d blocks differ", round, n)
			}
			if got := call(t, woken, "checked"); got != sum {
				t.Errorf("round %d: want the state %x, got %x", round, sum, got)
			}
			if got := call(t, woken, "clock"); int64(got) < int64(clock) {
				t.Errorf("round %d: time went back from %d to %d", round, clock, got)
			}
			other := keep(t, p, saved)
			if a, b := call(t, woken, "random"), call(t, other, "random"); a == b {
				t.Errorf("round %d: two instances from one record give the same number", round)
			}
			k.Close(t.Context())
			other.Close(t.Context())
			k = woken
		}
		k.Close(t.Context())
		wantImage(t, p)
	})
}

// A record of before the first call, and one of an instance that was not called since it woke, are as good as others.
func TestSave_uncalled(t *testing.T) {
	p := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{Policy: engine.Reset})
	k := keep(t, p, nil)
	if withoutImages(t, k) {
		return
	}
	seen := map[uint64]bool{}
	for range 4 {
		saved, err := k.Save()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			seen[call(t, keep(t, p, saved), "random")] = true
		}
		k = keep(t, p, saved)
		call(t, k, "noop") // seeds, and draws no number
	}
	if len(seen) != 12 {
		t.Errorf("want 12 different numbers, got %d", len(seen))
	}
}

func TestMarkAndRollback(t *testing.T) {
	engines(t, func(t *testing.T, e *engine.Engine) {
		p := keptPool(t, e, &keptHost{}, engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{Timeout: 2 * time.Second}})
		k := keep(t, p, nil)
		if withoutImages(t, k) {
			return
		}
		if err := k.Rollback(); err == nil {
			t.Error("want no rollback without a mark")
		}
		numbers := map[uint64]bool{}
		for round := range uint64(7) {
			call(t, k, "deposit", round)
			sum, before := call(t, k, "checked"), memory(t, k)
			if err := k.Mark(); err != nil {
				t.Fatal(err)
			}
			switch how := round % 5; how {
			case 4:
				call(t, k, "deposit", 1)
				call(t, k, "grow", 3)
			default:
				if _, err := try(t.Context(), k, "fails", how); err == nil {
					t.Errorf("want fails(%d) to fail", how)
				}
			}
			for range 2 {
				if err := k.Rollback(); err != nil {
					t.Fatal(err)
				}
				if n := differing(before, memory(t, k)); n > generatorBlocks {
					t.Errorf("round %d: want the memory as it was but for two generators, %d blocks differ", round, n)
				}
				if got := call(t, k, "checked"); got != sum {
					t.Errorf("round %d: want the state %x, got %x", round, sum, got)
				}
				numbers[call(t, k, "random")] = true
			}
		}
		if len(numbers) != 14 {
			t.Errorf("want a rolled back turn to draw other numbers, got %d different ones of 14", len(numbers))
		}
	})
}

// What is read as a record may be anything.
func TestWake_damaged(t *testing.T) {
	p := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{Policy: engine.Reset})
	k := keep(t, p, nil)
	if withoutImages(t, k) {
		return
	}
	call(t, k, "deposit", 1)
	saved, err := k.Save()
	if err != nil {
		t.Fatal(err)
	}
	other := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{Policy: engine.Reset})
	if _, err := other.Keep(t.Context(), saved); !errors.Is(err, engine.ErrChanged) {
		t.Errorf("want ErrChanged from another image, got %v", err)
	}
	for n := range saved {
		if n > 200 && n%97 != 0 {
			continue
		}
		bad := bytes.Clone(saved)
		bad[n] ^= 0x10
		if _, err := p.Keep(t.Context(), bad); err == nil {
			t.Errorf("want an error for a record with a changed byte at %d", n)
		}
		if n > 0 {
			if _, err := p.Keep(t.Context(), saved[:n]); err == nil || errors.Is(err, engine.ErrChanged) {
				t.Errorf("want damage for a record cut off at %d, got %v", n, err)
			}
		}
	}
	if s := p.Stats(); s.Kept != 1 {
		t.Errorf("want no instance left behind, got %d", s.Kept)
	}
}

// seeded is a pool whose start is deterministic.
func seeded(t testing.TB, dir string, secret byte, env map[string]string) *engine.Pool {
	t.Helper()
	cfg := engine.PoolConfig{
		Policy: engine.Reset, Env: env, Funcs: (&keptHost{}).funcs(),
		Boot: &engine.BootSeed{Secret: [32]byte{secret}},
	}
	return enginetest.Pool(t, newEngine(t), enginetest.Build(t, dir), cfg)
}

// A record is of use to other engines with the same secret, and to no others.
func TestBootSeed(t *testing.T) {
	env := map[string]string{"OWNER": "somebody", "B": "2", "C": "3", "A": "1"}
	p := seeded(t, "testdata/kept", 1, env)
	k := keep(t, p, nil)
	if withoutImages(t, k) {
		return
	}
	if call(t, k, "random") == call(t, keep(t, p, nil), "random") {
		t.Error("want instances with random numbers of their own")
	}
	for range 20 {
		call(t, k, "deposit", 3)
	}
	sum, clock, boot := call(t, k, "checked"), call(t, k, "clock"), call(t, k, "booted")
	saved, err := k.Save()
	if err != nil {
		t.Fatal(err)
	}
	woken := keep(t, seeded(t, "testdata/kept", 1, env), saved)
	if got := call(t, woken, "checked"); got != sum {
		t.Errorf("want the state %x, got %x", sum, got)
	}
	if got := call(t, woken, "clock"); int64(got) < int64(clock) {
		t.Errorf("time went back from %d to %d", clock, got)
	}
	if got := call(t, woken, "booted"); got != boot {
		t.Errorf("want what was drawn at the start to be the same, got %x and %x", boot, got)
	}
	call(t, woken, "deposit", 1)
	for what, other := range map[string]*engine.Pool{
		"secret":      seeded(t, "testdata/kept", 2, env),
		"environment": seeded(t, "testdata/kept", 1, map[string]string{"OWNER": "another"}),
		"code":        seeded(t, "testdata/keptnet", 1, env),
	} {
		if _, err := other.Keep(t.Context(), saved); !errors.Is(err, engine.ErrChanged) {
			t.Errorf("another %s: want ErrChanged, got %v", what, err)
		}
	}
}

// savedEnv tells the test binary to wake a record and to print what it finds.
const savedEnv = "MRT_ENGINE_TEST_SAVED"

// A record is of use to a later process.
func TestBootSeed_acrossProcesses(t *testing.T) {
	dirs := []string{"testdata/kept", "testdata/keptnet"}
	if text := os.Getenv(savedEnv); text != "" {
		for n, part := range strings.Split(text, " ") {
			saved, err := hex.DecodeString(part)
			if err != nil {
				t.Fatal(err)
			}
			k := keep(t, seeded(t, dirs[n], 7, nil), saved)
			fmt.Printf("woken %d\n", call(t, k, "balance"))
		}
		return
	}
	var records []string
	for _, dir := range dirs {
		k := keep(t, seeded(t, dir, 7, nil), nil)
		if withoutImages(t, k) {
			return
		}
		call(t, k, "deposit", 123)
		saved, err := k.Save()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, hex.EncodeToString(saved))
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBootSeed_acrossProcesses$", "-test.v",
		"-test.count=1", "-images="+fmt.Sprint(images))
	cmd.Env = append(os.Environ(), savedEnv+"="+strings.Join(records, " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(string(out), "\n")
	if n := len(slices.DeleteFunc(lines, func(s string) bool { return s != "woken 123" })); n != len(dirs) {
		t.Errorf("want %d instances woken in the other process, got %d:\n%s", len(dirs), n, out)
	}
}
