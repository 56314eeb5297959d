package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a manifest file. Line and Col count from 1, Col in characters; both are 0 for a whole file.
type Pos struct {
	File      string
	Line, Col int
}

// String gives file:line:column.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Severity tells an error from a warning.
type Severity uint8

// The severities.
const (
	// Error: the manifest cannot be used.
	Error Severity = iota
	// Warning: it can, but something in it has no effect or is likely not meant.
	Warning
)

// String gives "error" or "warning".
func (s Severity) String() string { return [...]string{"error", "warning"}[s] }

// Diagnostic is one thing to say about a manifest.
type Diagnostic struct {
	Severity Severity
	Pos
	// Message says what was expected and what was found.
	Message string
	// Suggestion says what to do, for example `did you mean "limits"?`; may be empty.
	Suggestion string
}

// String gives one line: file:line:column: severity: message; suggestion.
func (d Diagnostic) String() string {
	s := fmt.Sprintf("%s: %s: %s", d.Pos, d.Severity, d.Message)
	if d.Suggestion != "" {
		s += "; " + d.Suggestion
	}
	return s
}

// Diagnostics are all that is to be said about a manifest, by file in the order read, line and column.
type Diagnostics []Diagnostic

// Error gives one diagnostic a line, warnings included.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Errors gives those that are errors.
func (ds Diagnostics) Errors() Diagnostics { return ds.only(Error) }

// Warnings gives those that are warnings.
func (ds Diagnostics) Warnings() Diagnostics { return ds.only(Warning) }

func (ds Diagnostics) only(s Severity) Diagnostics {
	var out Diagnostics
	for _, d := range ds {
		if d.Severity == s {
			out = append(out, d)
		}
	}
	return out
}

// report collects diagnostics.
type report struct {
	files []string // in the order read
	list  Diagnostics
}

func (r *report) errorf(at Pos, suggestion, format string, args ...any) {
	r.list = append(r.list, Diagnostic{Error, at, fmt.Sprintf(format, args...), suggestion})
}

func (r *report) warnf(at Pos, suggestion, format string, args ...any) {
	r.list = append(r.list, Diagnostic{Warning, at, fmt.Sprintf(format, args...), suggestion})
}

// sorted gives the diagnostics in reading order, each once: an alias may bring the same error twice.
func (r *report) sorted() Diagnostics {
	order := map[string]int{}
	for i, f := range r.files {
		order[f] = i
	}
	slices.SortStableFunc(r.list, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(r.list)
}
