package state

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// PageToken makes the Next of a page from its last key.
func PageToken(lastKey string) string { return base64.RawURLEncoding.EncodeToString([]byte(lastKey)) }

// After gives the key after which the page starts, empty for the first page. The error is ErrInvalid for a token that
// PageToken did not make for this prefix.
func (r ListRequest) After() (string, error) {
	if r.Token == "" {
		return "", nil
	}
	key, err := base64.RawURLEncoding.DecodeString(r.Token)
	if err != nil || !strings.HasPrefix(string(key), r.Prefix) {
		return "", fmt.Errorf("%w: page token %q is not one that listing this prefix gave; start without a token", ErrInvalid, r.Token)
	}
	return string(key), nil
}

// PrefixEnd gives the smallest string that is greater than every string with the prefix; ok is false when there is none.
func PrefixEnd(prefix string) (end string, ok bool) {
	b := []byte(prefix)
	for i, last := range slices.Backward(b) {
		if last < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}
