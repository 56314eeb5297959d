package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

func tryOpen(t testing.TB, dataDir string, metadata ...string) (*watcher, error) {
	t.Helper()
	cfg := component.Config{Name: "w", Metadata: component.Metadata{"debounce": "10ms"}, DataDir: dataDir, Log: slog.New(slog.DiscardHandler)}
	for i := 0; i < len(metadata); i += 2 {
		cfg.Metadata[metadata[i]] = metadata[i+1]
	}
	b, err := Spec.New(t.Context(), cfg)
	if err != nil {
		return nil, err
	}
	return b.(*watcher), nil
}

// folder is a watched folder and the events that came.
type folder struct {
	t      *testing.T
	dir    string
	w      *watcher
	r      binding.Reader
	events chan *binding.Event
	fail   func(*binding.Event) error
}

func watch(t *testing.T, dir, dataDir string, metadata ...string) *folder {
	t.Helper()
	w, err := tryOpen(t, dataDir, append([]string{"path", dir}, metadata...)...)
	if err != nil {
		t.Fatal(err)
	}
	f := &folder{t: t, dir: dir, w: w, events: make(chan *binding.Event, 1000)}
	f.read()
	return f
}

func (f *folder) read() {
	f.t.Helper()
	var err error
	f.r, err = f.w.Read(f.t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		f.events <- ev
		if f.fail != nil {
			return nil, f.fail(ev)
		}
		return nil, nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = f.r.Stop(context.Background()) })
}

func (f *folder) stop() {
	f.t.Helper()
	if err := f.r.Stop(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) write(name, data string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

// want waits for the event that is next: "created name data".
func (f *folder) want(want string) *binding.Event {
	f.t.Helper()
	select {
	case ev := <-f.events:
		if got := strings.TrimSpace(fmt.Sprintf("%s %s %s", ev.Metadata["event"], ev.Metadata["name"], ev.Data)); got != want {
			f.t.Fatalf("got event %q, want %q", got, want)
		}
		return ev
	case <-time.After(deadline):
		f.t.Fatalf("no event within %s, want %q", deadline, want)
		return nil
	}
}

// quiet wants no event but those of a last file, which shows that all before it was looked at.
func (f *folder) quiet() {
	f.t.Helper()
	f.write("last", "x")
	f.want("created last x")
	f.remove("last")
	f.want("removed last")
}

func TestConformance(t *testing.T) {
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		w, err := tryOpen(t, t.TempDir(), "path", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}, bindingtest.Caps{
		Redelivers: true, Keeps: true,
		Emit: func(t testing.TB, b binding.Binding, text string) {
			if err := os.WriteFile(filepath.Join(b.(*watcher).root, text), []byte(text), 0o600); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		},
	})
}

func TestEvents(t *testing.T) {
	f := watch(t, t.TempDir(), "")
	f.write("a.txt", "one")
	ev := f.want("created a.txt one")
	if at, err := time.Parse(time.RFC3339Nano, ev.Metadata["modTime"]); err != nil || time.Since(at) > time.Hour || ev.Metadata["size"] != "3" {
		t.Errorf("metadata %v, %v", ev.Metadata, err)
	}
	f.write("a.txt", "longer")
	f.want("modified a.txt longer")
	// As editors save: a new file takes the name.
	f.write("b.tmp", "replaced!")
	f.want("created b.tmp replaced!")
	if err := os.Rename(filepath.Join(f.dir, "b.tmp"), filepath.Join(f.dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 2 {
		ev := <-f.events
		got[ev.Metadata["event"]+" "+ev.Metadata["name"]] = true
	}
	if !got["modified a.txt"] || !got["removed b.tmp"] {
		t.Errorf("after a rename: got %v", got)
	}
	f.remove("a.txt")
	if ev := f.want("removed a.txt"); ev.Metadata["size"] != "" {
		t.Errorf("a file that is gone has metadata %v", ev.Metadata)
	}
	f.quiet()
}

func TestWhatIsNotTold(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(outside, []byte("planted"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := watch(t, dir, "", "pattern", "*[.l][ca]s[vt]", "events", "created, removed")
	f.write("a.txt", "x")
	f.write("below/b.csv", "x")
	if err := os.Symlink(outside, filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	f.write("c.csv", "1")
	f.want("created c.csv 1")
	f.write("c.csv", "22")
	f.quiet()
}

func TestRecursive(t *testing.T) {
	f := watch(t, t.TempDir(), "", "recursive", "true")
	f.write("x/y/deep", "1")
	f.want("created x/y/deep 1")
	f.write("x/y/deep", "22")
	f.want("modified x/y/deep 22")
	f.remove("x")
	f.want("removed x/y/deep")
	f.quiet()
}

func TestDebounce(t *testing.T) {
	f := watch(t, t.TempDir(), "", "debounce", "300ms")
	for i := range 20 {
		f.write("many", strings.Repeat("x", i))
	}
	f.want("created many " + strings.Repeat("x", 19))
	f.write("brief", "x")
	f.remove("brief")
	f.quiet()
}

func TestLargeFilesAndContent(t *testing.T) {
	f := watch(t, t.TempDir(), "", "maxFileSize", "4")
	f.write("small", "1234")
	f.want("created small 1234")
	f.write("large", "12345")
	if ev := f.want("created large"); ev.Metadata["size"] != "5" {
		t.Errorf("metadata %v", ev.Metadata)
	}
	g := watch(t, t.TempDir(), "", "content", "false")
	g.write("small", "1234")
	g.want("created small")
}

func TestExisting(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	watch(t, dir, "").quiet()
	watch(t, dir, "", "existing", "true").want("created old x")
}

// TestRestart changes files while nobody watches: as after a restart of the host, they are told.
func TestRestart(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	f := watch(t, dir, data)
	for _, name := range []string{"a", "b", "c"} {
		f.write(name, "1")
		f.want("created " + name + " 1")
	}
	f.stop()
	f.write("a", "22")
	f.remove("b")
	f.write("d", "new")
	g := watch(t, dir, data, "concurrency", "1")
	got := map[string]bool{}
	for range 3 {
		select {
		case ev := <-g.events:
			got[ev.Metadata["event"]+" "+ev.Metadata["name"]] = true
		case <-time.After(deadline):
			t.Fatalf("got %v alone", got)
		}
	}
	if !got["modified a"] || !got["removed b"] || !got["created d"] {
		t.Errorf("got %v", got)
	}
	g.quiet()
}

func TestFailureIsToldAgain(t *testing.T) {
	f := watch(t, t.TempDir(), t.TempDir())
	f.stop()
	f.fail = func(ev *binding.Event) error {
		if string(ev.Data) == "bad" {
			return errors.New("not this")
		}
		return nil
	}
	f.read()
	f.write("poison", "bad")
	f.want("created poison bad")
	f.write("fine", "1") // is not held up
	for seen := false; !seen; {
		seen = (<-f.events).Metadata["name"] == "fine"
	}
	f.write("poison", "good") // is told as it is now
	for {
		select {
		case ev := <-f.events:
			if string(ev.Data) == "good" {
				if ev.Metadata["event"] != created {
					t.Errorf("got %v; the app was never told that it was created", ev.Metadata)
				}
				return
			}
		case <-time.After(deadline):
			t.Fatal("the file is not told again")
		}
	}
}

// TestFolderGoesAway takes the folder away and brings it back: its files were not removed.
func TestFolderGoesAway(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "drive")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f := watch(t, dir, "", "rescan", "20ms")
	f.write("a", "1")
	f.want("created a 1")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	f.write("b", "2")
	f.want("created b 2")
	f.quiet()
}

func TestTwoReadersOfOneApp(t *testing.T) {
	f := watch(t, t.TempDir(), "")
	if _, err := f.w.Read(t.Context(), "app", nil); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v", err)
	}
	f.stop()
	f.stop()
	f.read()
}

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		metadata  []string
		want      string
		temporary bool
	}{
		{nil, "path is missing", false},
		{[]string{"path", filepath.Join(dir, "none")}, "want a folder that exists", true},
		{[]string{"path", dir, "pattern", "["}, "field pattern", false},
		{[]string{"path", dir, "pattern", "a/*"}, "field pattern", false},
		{[]string{"path", dir, "events", "born"}, "field events", false},
		{[]string{"path", dir, "maxFileSize", "huge"}, "field maxFileSize", false},
		{[]string{"path", dir, "concurrency", "0"}, "concurrency", false},
		{[]string{"path", dir, "debounce", "-1s"}, "debounce", false},
	} {
		_, err := tryOpen(t, "", test.metadata...)
		_, permanent := errors.AsType[*component.PermanentError](err)
		if err == nil || permanent == test.temporary || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want an error with %q", test.metadata, err, test.want)
		}
	}
}
