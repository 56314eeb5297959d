//go:build !race

package rewritetest

// tortureDir is the guest that is tortured, and minParts the parts that it has at least.
const (
	tortureDir = "testdata/torture"
	minParts   = 20
)
