package jetstream

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// codec makes subjects of keys and back.
//
// Dapr writes app||key as app.key and leaves the rest to NATS, whose key-value clients take letters, digits, and any of
// -/_=. in a key. So does this codec, and what they do not take it writes as %41, which no such client can have
// written: every key that Dapr can store is found where Dapr has put it, and any other key has a place of its own.
//
// Dapr's rule gives a.b||c and a||b.c the same place. Here only one of them can have it, so that no app sees entries of
// another: the one whose prefix has as many dots as the component's keyPrefix strategy has, which are 0 for an app's id,
// 1 for namespace.id, and for a fixed prefix those that it has. In the others all dots are written as %2E, and so are
// separators after the first.
type codec struct {
	// dots is how many dots a prefix has; -1 if there are no prefixes.
	dots int
}

// newCodec makes the codec for a component's keyPrefix strategy.
func newCodec(strategy, component string) codec {
	switch strategy = strings.ToLower(strategy); strategy {
	case "", "appid":
		return codec{}
	case "none":
		return codec{dots: -1}
	case "namespace":
		return codec{dots: 1}
	case "name":
		return codec{dots: strings.Count(component, ".")}
	default:
		return codec{dots: strings.Count(strategy, ".")}
	}
}

// maxSubject bounds what becomes of a key, in bytes: a line of the protocol has 4,096, and some carry more than the key.
const maxSubject = 3000

// nothing stands for an empty key after a prefix; no other key becomes this.
const nothing = "%"

// encode gives the part of the subject for a key.
func (c codec) encode(key string) (string, error) {
	out := c.subject(key)
	switch {
	case key == "":
		return "", fmt.Errorf("%w: the key is empty", state.ErrInvalidKey)
	case len(out) > maxSubject:
		return "", fmt.Errorf("%w: the key has %d bytes as a NATS subject, where all but letters, digits and -/_=. count three: want at most %d", state.ErrInvalidKey, len(out), maxSubject)
	}
	return out, nil
}

func (c codec) subject(key string) string {
	if c.dots < 0 {
		return escape(key, true)
	}
	if prefix, own, ok := strings.Cut(key, state.Separator); ok && c.fits(prefix) {
		if own == "" {
			return escape(prefix, true) + "." + nothing
		}
		return escape(prefix, true) + "." + escape(own, true)
	}
	return escape(key, false)
}

// fits tells whether a prefix has the dots that it is to have, each between two characters that are none.
func (c codec) fits(prefix string) bool {
	return prefix != "" && strings.Count(prefix, ".") == c.dots && strings.Count(escape(prefix, true), ".") == c.dots
}

// decode is the reverse of encode; ok is false for what encode does not give.
func (c codec) decode(part string) (key string, ok bool) {
	prefix, own := "", part
	if c.dots >= 0 {
		if i := nthDot(part, c.dots+1); i >= 0 {
			prefix, own = part[:i], strings.TrimSuffix(part[i+1:], nothing)
		}
	}
	p, errPrefix := url.PathUnescape(prefix)
	k, errOwn := url.PathUnescape(own)
	if errPrefix != nil || errOwn != nil {
		return "", false
	}
	if key = k; prefix != "" {
		key = p + state.Separator + k
	}
	return key, key != "" && c.subject(key) == part
}

// nthDot gives the place of the nth dot, counted from 1; -1 if there are fewer.
func nthDot(s string, n int) int {
	for i := range len(s) {
		if s[i] == '.' {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// filter gives what the subjects match of all keys with a prefix, and perhaps of others.
func (c codec) filter(keyPrefix string) string {
	if prefix, _, ok := strings.Cut(keyPrefix, state.Separator); ok && c.dots >= 0 && c.fits(prefix) {
		return escape(prefix, true) + ".>"
	}
	return ">"
}

// escape writes what NATS does not allow in a key as %41. Dots may stay where they stand between other characters.
func escape(s string, dots bool) string {
	var b strings.Builder
	plain := 0 // s[plain:i] is as it is
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '/', c == '_', c == '=':
		case c == '.' && dots && i > 0 && i < len(s)-1 && s[i-1] != '.':
		default:
			b.WriteString(s[plain:i])
			fmt.Fprintf(&b, "%%%02X", c)
			plain = i + 1
		}
	}
	if plain == 0 {
		return s
	}
	b.WriteString(s[plain:])
	return b.String()
}
