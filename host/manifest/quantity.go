package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size, written as Kubernetes quantities are: 64Mi, 1.5Gi, 500M, or a number of bytes.
type Bytes uint64

// Units of Bytes.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
)

// WasmPage is the unit of linear memory, and MaxMemory the most that 32-bit addresses reach.
const (
	WasmPage  = 64 * KiB
	MaxMemory = 4 * GiB
)

// String gives the shortest exact form.
func (b Bytes) String() string {
	for _, u := range []struct {
		size Bytes
		name string
	}{{GiB, "Gi"}, {MiB, "Mi"}, {KiB, "Ki"}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatUint(uint64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatUint(uint64(b), 10)
}

// ParseBytes reads a size.
func ParseBytes(text string) (Bytes, error) {
	var b Bytes
	err := b.parseText(text)
	return b, err
}

func (b *Bytes) parseText(text string) error {
	number := strings.TrimRight(text, "KMGTkiBb")
	factor, ok := map[string]float64{
		"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	}[text[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	bytes := n * factor
	switch {
	case !ok || err != nil || strings.ContainsAny(number, "xXpP_+ei"):
		return &hintError{"want a size such as 64Mi, 1Gi or a number of bytes", unitHint(text, number), 0}
	case bytes < 0 || bytes > math.MaxInt64 || bytes != math.Trunc(bytes):
		return fmt.Errorf("want a whole number of bytes that is not negative")
	}
	*b = Bytes(bytes)
	return nil
}

// unitHint mends the usual misspellings of units: MB, MiB, mb, m, K.
func unitHint(text, number string) string {
	number = strings.TrimSpace(number)
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return ""
	}
	unit := strings.ToLower(strings.TrimSpace(text[strings.Index(text, number)+len(number):]))
	if unit == "" || !strings.Contains("kmgt", unit[:1]) {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", number+strings.ToUpper(unit[:1])+"i")
}

// checkMemory checks a limit of linear memory.
func checkMemory(b Bytes) error {
	switch {
	case b < WasmPage || b > MaxMemory:
		return fmt.Errorf("want %s to %s, found %s", WasmPage, MaxMemory, b)
	case b%WasmPage != 0:
		return &hintError{
			fmt.Sprintf("want a multiple of %s, the page of WebAssembly, found %s", WasmPage, b),
			fmt.Sprintf("the next ones are %s and %s", b/WasmPage*WasmPage, (b/WasmPage+1)*WasmPage), 0,
		}
	}
	return nil
}
