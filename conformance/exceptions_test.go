package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestExceptionsAreInTheReadme holds the table of README.md against the list.
func TestExceptionsAreInTheReadme(t *testing.T) {
	var want strings.Builder
	want.WriteString("| driver | what | reason |\n|---|---|---|\n")
	for _, e := range Exceptions() {
		if e.Driver == "" || e.What == "" || e.Reason == "" {
			t.Errorf("%+v: want driver, what and reason", e)
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", e.Driver, e.What, e.Reason)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), want.String()+"\n") {
		t.Errorf("README.md does not have this table:\n%s", &want)
	}
}
