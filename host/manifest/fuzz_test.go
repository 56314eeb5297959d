package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad: no text makes the loader panic or hang; every error has its file and a position within the text.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(text).Files {
			if ext := filepath.Ext(part.Name); ext == ".yaml" || ext == ".yml" {
				f.Add(part.Data)
			}
		}
	}
	loader := Loader{Env: func(name string) (string, bool) { return "1", name != "" && name != "NAMESPACE" }}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := loader.Parse(Source{Name: "m.yaml", Data: data})
		if (m == nil) == (err == nil) {
			t.Fatalf("got manifest %v and error %v, want one of them", m, err)
		}
		list, _ := errors.AsType[Diagnostics](err)
		if err == nil {
			list = m.Warnings
			for _, a := range m.Apps {
				a.Routes()
			}
		}
		for _, d := range list {
			if d.File != "m.yaml" || d.Line < 0 || d.Line > 0 && d.Col < 1 || d.Message == "" {
				t.Errorf("bad diagnostic %#v", d)
			}
		}
	})
}
