package engine

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"time"
)

const (
	// clockStep is what a guest's clock advances by each time it is read while it starts, in nanoseconds.
	clockStep = 100
	// otherDay is how much later the second start is to the guest.
	otherDay = time.Hour
	// firstMono is where the monotonic clock of a deterministic start begins, in nanoseconds.
	firstMono = int64(time.Second)
)

// defaultEpoch is the time of day of deterministic starts that are given none.
const defaultEpoch = 1_767_225_600 // 2026-01-01, in seconds

// BootSeed makes the starts of an app deterministic: of the same code, in the same environment, with the same seed, they
// give the same image. Only the start is: instances have real clocks, and random numbers of their own.
type BootSeed struct {
	// Secret is what the random numbers of the start are made from, together with app, code and environment. What a
	// guest draws at its start, such as the seeds of its hash tables, can be told by whoever knows it.
	Secret [32]byte
	// Epoch is the time of day at the start; zero is a fixed one.
	Epoch time.Time
}

// startup is how a guest is started for its image.
type startup struct {
	// real starts with the real clocks and real randomness; clock and random are not used then.
	real           bool
	clock          bootClock
	random         io.Reader
	stdout, stderr *slog.Logger
}

// firstStart is the start that becomes the image.
func (p *Pool) firstStart() startup {
	how := startup{
		clock:  bootClock{wall: time.Now(), mono: p.module.engine.nanotime()},
		random: rand.Reader, stdout: p.stdout, stderr: p.stderr,
	}
	if p.boot != nil {
		how.clock = bootClock{wall: p.boot.Epoch, mono: firstMono}
		if p.boot.Epoch.IsZero() {
			how.clock.wall = time.Unix(defaultEpoch, 0)
		}
		how.random = p.boot.random(p.key, "first")
	}
	return how
}

// secondStart is the start that the first is compared with: what it writes was written before.
func (p *Pool) secondStart(how startup) startup {
	how.clock.wall = how.clock.wall.Add(otherDay)
	how.stdout = slog.New(slog.DiscardHandler)
	how.stderr = how.stdout
	if p.boot != nil {
		how.random = p.boot.random(p.key, "second")
	}
	return how
}

// random is a stream of random numbers that only the secret, what is started, and which of its starts it is make.
func (b *BootSeed) random(key [sha256.Size]byte, start string) io.Reader {
	mac := hmac.New(sha256.New, b.Secret[:])
	mac.Write(key[:])
	mac.Write([]byte(start))
	return mathrand.NewChaCha8([32]byte(mac.Sum(nil)))
}

// startKey tells what is started.
func startKey(app string, module [sha256.Size]byte, env map[string]string) (key [sha256.Size]byte) {
	field := func(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text := field(append([]byte("mrt-wasm start 1"), module[:]...), app)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		text = field(field(text, k), env[k])
	}
	return sha256.Sum256(text)
}

// bootClock is the guest's clock while it starts: it shows the same in all starts of a guest, so that their memories
// can be compared.
type bootClock struct {
	wall    time.Time
	mono    int64
	elapsed int64
	// random is where random numbers come from meanwhile.
	random io.Reader
}

func (c *bootClock) nanotime() int64 {
	c.elapsed += clockStep
	return c.mono + c.elapsed
}

func (c *bootClock) walltime() (sec int64, nsec int32) {
	c.elapsed += clockStep
	t := c.wall.Add(time.Duration(c.elapsed))
	return t.Unix(), int32(t.Nanosecond())
}
