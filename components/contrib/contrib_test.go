package contrib_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm/cli"
	"github.com/mrt-wasm/mrt-wasm/components/contrib"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
)

func drivers(t *testing.T) (native, full host.Drivers) {
	t.Helper()
	native, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	full, err = contrib.Drivers(native)
	if err != nil {
		t.Fatal(err)
	}
	return native, full
}

// TestAllOfDapr: every type that Dapr registers, by each of its names, is there in all versions.
func TestAllOfDapr(t *testing.T) {
	_, full := drivers(t)
	have := map[string][]string{}
	for _, d := range full.Describe() {
		for _, name := range append([]string{d.Type}, d.Aliases...) {
			have[name] = d.Versions
		}
	}
	text, err := os.ReadFile("testdata/types.txt")
	if err != nil {
		t.Fatal(err)
	}
	types := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		types++
		versions, there := have[fields[0]]
		if !there {
			t.Errorf("%s is missing", fields[0])
		}
		for _, v := range fields[1:] {
			if there && !slices.Contains(versions, v) {
				t.Errorf("%s has the versions %v, want %s too", fields[0], versions, v)
			}
		}
	}
	if types < 120 {
		t.Errorf("testdata/types.txt has %d types, want all of Dapr's", types)
	}
}

// TestNativeFirst: a driver of the standard binary is still the one of its type.
func TestNativeFirst(t *testing.T) {
	native, full := drivers(t)
	docs := map[string]string{}
	for _, d := range full.Describe() {
		docs[d.Type] = d.Summary
	}
	for _, d := range native.Describe() {
		if docs[d.Type] != d.Summary {
			t.Errorf("%s: got %q, want the native driver (%q)", d.Type, docs[d.Type], d.Summary)
		}
	}
}

// TestUsersFiles: component files as users of Dapr have them load unchanged, those of the clouds too.
func TestUsersFiles(t *testing.T) {
	_, full := drivers(t)
	files := filepath.Join("..", "..", "examples", "dapr-components")
	var out, errs bytes.Buffer
	if code := cli.Run(full, []string{"validate", files, filepath.Join(files, "cloud")}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("mrt-wasm-full validate: exit code %d\n%s%s", code, &out, &errs)
	}
}
