package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDependenciesHaveReasons wants a line in RATIONALE.md for every direct dependency, and no line without one.
func TestDependenciesHaveReasons(t *testing.T) {
	top := root(t)
	mod, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile(filepath.Join(top, "RATIONALE.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") || !strings.Contains(fields[0], ".") {
			continue
		}
		direct++
		short := fields[0]
		for _, prefix := range []string{"go.opentelemetry.io/otel/exporters/otlp/otlptrace/", "go.opentelemetry.io/otel/exporters/", "go.opentelemetry.io/"} {
			short = strings.TrimPrefix(short, prefix)
		}
		if !strings.Contains(string(reasons), short) {
			t.Errorf("RATIONALE.md has no line for %s", fields[0])
		}
	}
	if direct < 10 {
		t.Errorf("found %d direct dependencies in go.mod; the test does not read it right", direct)
	}
}
