package componenttest

import (
	"archive/zip"
	"bytes"
	"testing"
)

func TestCases(t *testing.T) { check(t, Cases(t)) }

// The archive counts where there is no folder beside the repository.
func TestArchive(t *testing.T) {
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files, err := read(z)
	if err != nil {
		t.Fatal(err)
	}
	check(t, files)
}

func check(t *testing.T, files []File) {
	t.Helper()
	cases, actions, async := 0, 0, 0
	seen := map[string]bool{}
	for _, f := range files {
		if f.Async() {
			async++
		} else if async > 0 {
			t.Errorf("%s comes after a file of async/", f.Source)
		}
		for _, c := range f.Cases {
			cases++
			actions += len(c.Actions)
			if seen[c.ID] {
				t.Errorf("case %s is there twice", c.ID)
			}
			seen[c.ID] = true
			if c.Generated() != (c.Wasm != nil) {
				t.Errorf("case %s: Generated() = %v, but it has %d bytes", c.ID, c.Generated(), len(c.Wasm))
			}
		}
	}
	if len(files) != 62 || async != 34 || cases != 892 || actions != 524 {
		t.Errorf("got %d files, %d of them async, %d cases, %d actions", len(files), async, cases, actions)
	}
}
