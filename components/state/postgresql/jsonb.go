package postgresql

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// isJSONB tells whether a value is kept as jsonb: JSON, unless the request says that it is something else. A number
// alone must be written the way PostgreSQL writes it: text such as 12e3 may be a name.
func isJSONB(req *state.SetRequest) bool {
	if typ := contentType(req.Metadata); typ != "" && !strings.Contains(typ, "json") {
		return false
	}
	if len(req.Value) == 0 || !holdsJSONB(req.Value) {
		return false
	}
	switch c := req.Value[0]; {
	case c == '{' || c == '[' || c == '"' || c == 't' || c == 'f' || c == 'n':
		return true
	case c == '-' || c >= '0' && c <= '9':
		return !bytes.ContainsAny(req.Value, "eE \t\r\n") && (c != '-' || bytes.ContainsAny(req.Value, "123456789"))
	default: // spaces
		c := bytes.TrimLeft(req.Value, " \t\r\n")[0]
		return c == '{' || c == '['
	}
}

func contentType(metadata map[string]string) string {
	for name, value := range metadata {
		if strings.EqualFold(name, "contentType") {
			return strings.ToLower(value)
		}
	}
	return ""
}

// The limits of what is given to jsonb; its own are wider, but depend on the server's settings or would make long
// values of short ones.
const (
	maxDepth    = 500
	maxExponent = 300
	maxDigits   = 1000
)

// holdsJSONB tells whether text is JSON that jsonb can hold: it has no zero bytes, no halves of surrogate pairs, and
// not every number.
func holdsJSONB(text []byte) bool {
	if !utf8.Valid(text) || !json.Valid(text) {
		return false
	}
	depth := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			n, ok := skipString(text[i:])
			if !ok {
				return false
			}
			i += n
		case c == '-' || c >= '0' && c <= '9':
			n, ok := skipNumber(text[i:])
			if !ok {
				return false
			}
			i += n
		default:
			switch c {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if depth > maxDepth {
				return false
			}
			i++
		}
	}
	return true
}

// skipString gives the length of the string that text, which is valid, begins with.
func skipString(text []byte) (n int, ok bool) {
	const escape = len(`\u0000`)
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return i + 1, true
		case text[i] != '\\':
		case text[i+1] != 'u':
			i++
		default:
			r := hex(text[i:])
			if high := r >= 0xd800 && r < 0xdc00; high && text[i+escape] == '\\' && text[i+escape+1] == 'u' {
				if low := hex(text[i+escape:]); low < 0xdc00 || low > 0xdfff {
					return 0, false
				}
				i += escape
			} else if r == 0 || r >= 0xd800 && r <= 0xdfff {
				return 0, false
			}
			i += escape - 1
		}
	}
	return 0, false
}

// hex gives the number of the escape \uXXXX that text begins with.
func hex(text []byte) uint64 {
	n, err := strconv.ParseUint(string(text[2:6]), 16, 32)
	if err != nil {
		return 0 // valid JSON has digits there; jsonb would refuse anything else as it does a zero
	}
	return n
}

// skipNumber gives the length of the number that text, which is valid, begins with.
func skipNumber(text []byte) (n int, ok bool) {
	exponent := 0
	for n < len(text) && bytes.IndexByte([]byte("+-.eE0123456789"), text[n]) >= 0 {
		if text[n] == 'e' || text[n] == 'E' {
			exponent = n + 1
		}
		n++
	}
	if exponent == 0 {
		return n, n <= maxDigits
	}
	e, err := strconv.Atoi(string(text[exponent:n]))
	return n, err == nil && e >= -maxExponent && e <= maxExponent && n <= maxDigits
}
