package manifest

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the tests find as what they want")

// TestGolden runs testdata/*.txtar. The files of an archive are written to a folder; `args` lists what is loaded
// (manifest.yaml by default), `environment` has NAME=value lines, `want` is the report, one diagnostic a line.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			arc, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, got := runGolden(t, arc)
			if want == got {
				return
			}
			if !*update {
				t.Fatalf("got:\n%s\nwant:\n%s", got, want)
			}
			setFile(arc, "want", got)
			if err := os.WriteFile(path, txtar.Format(arc), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func runGolden(t *testing.T, arc *txtar.Archive) (want, got string) {
	t.Chdir(t.TempDir())
	args, env := []string{"manifest.yaml"}, map[string]string{}
	for _, f := range arc.Files {
		switch f.Name {
		case "want":
			want = string(f.Data)
		case "args":
			args = strings.Fields(string(f.Data))
		case "environment":
			for sc := bufio.NewScanner(bytes.NewReader(f.Data)); sc.Scan(); {
				name, value, _ := strings.Cut(sc.Text(), "=")
				env[name] = value
			}
		default:
			if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	loader := Loader{Env: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}}
	m, err := loader.Load(args...)
	switch {
	case err != nil:
		got = err.Error() + "\n"
	case len(m.Warnings) > 0:
		got = m.Warnings.Error() + "\n"
	}
	return want, got
}

func setFile(arc *txtar.Archive, name, text string) {
	for i := range arc.Files {
		if arc.Files[i].Name == name {
			arc.Files[i].Data = []byte(text)
			return
		}
	}
	arc.Files = append(arc.Files, txtar.File{Name: name, Data: []byte(text)})
}
