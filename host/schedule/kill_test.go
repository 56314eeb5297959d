package schedule

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const childDir = "SCHEDULE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir, os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// child registers entries and fires those that are due until it is killed, and says what it has: "+key" is registered,
// "!key" begins to be fired, and "-key" is gone from the store. An odd entry is due much later.
func child(dir, name string) {
	ctx := context.Background()
	s, err := Open(ctx, dir)
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var mu sync.Mutex
	say := func(what, key string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(what + key + "\n")
	}
	var left sync.Map
	sch := New(s, func(_ context.Context, e Entry) Result {
		say("!", e.Key)
		left.Store(e.Key, true)
		return Result{}
	}, Options{Workers: 4})
	sch.Start()
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%d", name, w, i)
				e := Entry{Key: key, Due: time.Now(), Data: []byte(key)}
				if i%2 == 1 {
					e.Due = e.Due.Add(time.Hour)
				}
				if err := s.Put(ctx, e, true); err != nil {
					say("error ", err.Error())
					return
				}
				say("+", key)
			}
		}()
	}
	for {
		left.Range(func(key, _ any) bool {
			if _, err := s.Get(ctx, key.(string)); err != nil {
				say("-", key.(string))
				left.Delete(key)
			}
			return true
		})
		time.Sleep(time.Millisecond)
	}
}

// The process is killed at random moments. Every acknowledged registration that was not fired is there; none that was
// fired and is known to be done comes back.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	registered, began, done := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for round := range 8 {
		cmd := exec.Command(exe, fmt.Sprint("r", round))
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n, last := 0, 200+rand.IntN(2000); lines.Scan(); n++ {
			line := lines.Text()
			switch {
			case strings.HasPrefix(line, "+"):
				registered[line[1:]] = true
			case strings.HasPrefix(line, "!"):
				if done[line[1:]] {
					t.Errorf("round %d: %s was done and is fired again", round, line[1:])
				}
				began[line[1:]] = true
			case strings.HasPrefix(line, "-"):
				done[line[1:]] = true
			default:
				t.Fatalf("round %d: the child says %q", round, line)
			}
			if n == last {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	s := openStore(t, dir)
	stored := map[string]bool{}
	for after := ""; ; {
		list, err := s.List(t.Context(), "", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			if string(e.Data) != e.Key {
				t.Errorf("%s has the data %q", e.Key, e.Data)
			}
			stored[e.Key] = true
			after = e.Key
		}
	}
	later := 0
	for key := range registered {
		if !began[key] && !stored[key] {
			t.Errorf("%s was acknowledged, never fired, and is gone", key)
		}
		if !began[key] {
			later++
		}
	}
	for key := range done {
		if stored[key] {
			t.Errorf("%s was done and is back", key)
		}
	}
	if later == 0 || len(done) == 0 {
		t.Errorf("%d waiting and %d done entries: the test shows nothing", later, len(done))
	}
	t.Logf("%d acknowledged, %d fired, %d known to be done", len(registered), len(began), len(done))
}
