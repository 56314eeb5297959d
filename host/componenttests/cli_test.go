package componenttests

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiwasicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
)

// programs is how many there are in the archive: a test that lost some would pass.
const programs = 30

// runs is how often each program runs on one pool, one after the other, so that each run but the first comes after a
// reset.
const runs = 3

// program is a program of the archive with what it is given.
type program struct {
	name   string
	wasm   []byte
	golden string
	args   []string
	env    map[string]string
	stdin  string
	files  map[string]string // by their path in the folder of the program; nil is a folder
	exit   uint32
	// trap tells that the program ends by a trap.
	trap bool
}

// given is what programs are given beyond the archive's files: what their expected output was made with.
var given = map[string]program{
	"f03_args":      {args: []string{"10", "20", "hello", "5"}},
	"f04_env":       {env: map[string]string{"WAZY_NAME": "wazy", "WAZY_COUNT": "42", "PATH_LIKE": "/usr/bin"}},
	"f09_exit":      {exit: 1},
	"f18_panic":     {trap: true},
	"f22_grep":      {args: []string{"error"}},
	"f29_readdir":   {files: map[string]string{"a.txt": "a", "b.txt": "b", "sub/": ""}},
	"f30_filetypes": {files: map[string]string{"a.txt": "a", "b.txt": "bb", "sub/": ""}},
	"f31_seek":      {files: map[string]string{"data.txt": "0123456789ABCDEFhello"}},
	"f35_remove":    {files: map[string]string{"gone.txt": "soon"}},
	"f32_nested":    {files: map[string]string{"a/b.txt": "b content", "a/c.txt": "c", "d.txt": "d"}},
}

// cliPrograms reads the archive.
func cliPrograms(t *testing.T) []*program {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join("testdata", "wasip2-cli.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	byName := map[string]*program{}
	var all []*program
	for _, f := range z.File {
		name, part, ok := strings.Cut(f.Name, ".")
		if !ok {
			continue
		}
		p := byName[name]
		if p == nil {
			g := given[name]
			p = &g
			p.name = name
			byName[name] = p
			all = append(all, p)
		}
		p.add(t, part, read(t, f))
	}
	if len(all) != programs {
		t.Fatalf("want %d programs in the archive, got %d", programs, len(all))
	}
	return all
}

func (p *program) add(t *testing.T, part, content string) {
	t.Helper()
	switch file, input := strings.CutPrefix(part, "input."); {
	case part == "component.wasm":
		p.wasm = []byte(content)
	case part == "stdout.golden":
		p.golden = content
	case part == "input.stdin.data":
		p.stdin = content
	case input:
		if p.files == nil {
			p.files = map[string]string{}
		}
		p.files[file] = content
	default:
		t.Fatalf("what is %s.%s of the archive?", p.name, part)
	}
}

func read(t *testing.T, f *zip.File) string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Programs that rustc built for WASI 0.2 print what they should, each run of an instance that is reset after it.
func TestPrograms(t *testing.T) {
	all := cliPrograms(t)
	for _, mode := range []struct {
		name  string
		graph bool
	}{{"merged", false}, {"graph", true}} {
		t.Run(mode.name, func(t *testing.T) {
			e := enginetest.New(t, func(c *engine.Config) { c.Graph = mode.graph })
			for _, p := range all {
				t.Run(p.name, func(t *testing.T) { checkProgram(t, e, p) })
			}
		})
	}
}

func checkProgram(t *testing.T, e *engine.Engine, p *program) {
	s := &system{program: p}
	s.prepare(t)
	pool := enginetest.Pool(t, e, p.wasm, engine.PoolConfig{
		Funcs: s.funcs(t), Policy: engine.Reset, Limits: engine.Limits{MaxInstances: 1, Memory: 256 << 20},
	})
	for run := range runs {
		if run > 0 {
			s.prepare(t)
		}
		err := pool.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			if failed := abiwasicli.CallRunRun(ctx, g); failed != nil {
				return failed
			}
			return nil
		})
		if got := s.stdout.String(); got != p.golden {
			t.Errorf("run %d: got the output\n%s\nwant\n%s\nstderr: %s", run, got, p.golden, s.stderr.String())
		}
		s.checkEnd(t, run, err)
		if t.Failed() {
			return
		}
	}
	if got := pool.Stats(); got.Image != "" && (got.Started != 1 || got.Resets != runs) {
		t.Errorf("want one instance, reset after each of %d runs, got %+v", runs, got)
	}
}

// system is what a program finds around it. Each run finds the same: another folder with the same files, the same
// standard input.
type system struct {
	program        *program
	now            *wasi.WASI
	stdout, stderr bytes.Buffer
}

// prepare makes what the next run finds.
func (s *system) prepare(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range s.program.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && !strings.HasSuffix(name, "/") {
			err = os.WriteFile(path, []byte(content), 0o644)
		} else if err == nil {
			err = os.MkdirAll(path, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.stdout.Reset()
	s.stderr.Reset()
	w, err := wasi.New(wasi.Config{
		Args: append([]string{s.program.name}, s.program.args...), Env: s.program.env,
		Stdin:  strings.NewReader(s.program.stdin),
		Stdout: func(context.Context) io.Writer { return &s.stdout }, Stderr: func(context.Context) io.Writer { return &s.stderr },
		Exit: engine.Exit, Monotonic: engine.Monotonic, Wall: engine.Wall, Skip: engine.Skip, Random: engine.Random,
		Dirs: []filesystem.Dir{{Guest: "/", Host: dir}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	s.now = w
}

// funcs gives host functions that do what those of the present run do.
func (s *system) funcs(t *testing.T) []abi.Func {
	t.Helper()
	funcs := append([]abi.Func(nil), s.now.Funcs()...)
	for k := range funcs {
		funcs[k].Call = func(ctx context.Context, g abi.Guest, stack []uint64) { s.now.Funcs()[k].Call(ctx, g, stack) }
	}
	return funcs
}

// checkEnd checks how a run ended.
func (s *system) checkEnd(t *testing.T, run int, err error) {
	t.Helper()
	exit, exited := errors.AsType[*engine.ExitError](err)
	trap, trapped := errors.AsType[*abi.Trap](err)
	switch p := s.program; {
	case p.exit != 0:
		if !exited || exit.Code != p.exit {
			t.Errorf("run %d: want exit code %d, got %v", run, p.exit, err)
		}
	case p.trap:
		if !trapped || exited {
			t.Errorf("run %d: want a trap, got %v", run, err)
		} else if want := "panicked at"; !strings.Contains(s.stderr.String(), want) {
			t.Errorf("run %d: want %q on stderr, got %q (%v)", run, want, s.stderr.String(), trap)
		}
	case err != nil:
		t.Errorf("run %d: %v; stderr: %s", run, err, s.stderr.String())
	}
}
