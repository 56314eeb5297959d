package state

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The names that Dapr has for times to live in metadata.
const (
	ttlField     = "ttlInSeconds"
	expiresField = "ttlExpireTime"
)

// ttlOf reads ttlInSeconds: nil if it is not there; 0 or -1 means that the entry is not to expire.
func ttlOf(metadata map[string]string) (*time.Duration, error) {
	text, ok := metadata[ttlField]
	if !ok {
		for name, value := range metadata {
			if strings.EqualFold(name, ttlField) {
				text, ok = value, true
			}
		}
	}
	if !ok || text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 || n > math.MaxInt32 {
		return nil, fmt.Errorf("%w: metadata %s: want seconds from 1 to %d, or -1 to remove the time to live, found %q", ErrInvalid, ttlField, math.MaxInt32, text)
	}
	ttl := time.Duration(n) * time.Second
	return &ttl, nil
}

// expireTime gives the entry's end as it stands in metadata; empty if it has none.
func (e *Entry) expireTime() string {
	if e.Expires.IsZero() {
		return ""
	}
	return e.Expires.UTC().Format(time.RFC3339)
}
