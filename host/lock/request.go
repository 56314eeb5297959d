package lock

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The limits of requests.
const (
	// MaxName bounds resources and owners, in bytes.
	MaxName = 4096
	// MaxExpiry is the longest time that Dapr can ask for.
	MaxExpiry = math.MaxInt32 * time.Second
)

// fixed begins every resource's name on a store, and separator stands between its parts: Dapr's layout, so that locks
// are shared with its apps.
const (
	fixed     = "lock"
	separator = "||"
)

// errSeparator is the part of ErrInvalid that Dapr reports as a failure of the request and not of its form.
var errSeparator error = &kind{text: "invalid request", permanent: true, of: ErrInvalid}

// keyPrefix gives what stands before an app's resources on a store, the last separator included, by the component's
// metadata field keyPrefix: appid (the default), name (the component's), none, or any other text as it is, in lower case
// as Dapr has it. Calls from outside that are on behalf of no app have an empty app id: then appid gives no part.
func keyPrefix(m component.Metadata, name, app string) (string, error) {
	text, _ := m.Get("keyPrefix")
	part := strings.ToLower(text)
	if strings.Contains(part, separator) {
		return "", fmt.Errorf("metadata field keyPrefix: want appid, name, none or a text without %s, found %q", separator, text)
	}
	switch part {
	case "none":
		part = ""
	case "name":
		part = name
	case "", "appid":
		part = app
	}
	if part == "" {
		return fixed + separator, nil
	}
	return fixed + separator + part + separator, nil
}

// checkExpiry refuses times that no lock has.
func checkExpiry(store string, expiry time.Duration) error {
	switch {
	case expiry <= 0:
		return fmt.Errorf("%w: ExpiryInSeconds is not positive in lock store %s", ErrInvalid, store)
	case expiry > MaxExpiry:
		return fmt.Errorf("%w: the expiry in lock store %s is %s, want %s or less", ErrInvalid, store, expiry, MaxExpiry)
	default:
		return nil
	}
}

// checkNames refuses a resource or an owner that no store could mean.
func checkNames(store, resource, owner string) error {
	for _, n := range []struct{ what, name string }{{"ResourceId", resource}, {"LockOwner", owner}} {
		switch {
		case n.name == "":
			return fmt.Errorf("%w: %s is empty in lock store %s", ErrInvalid, n.what, store)
		case len(n.name) > MaxName:
			return fmt.Errorf("%w: %s %q... in lock store %s has %d bytes, want %d or fewer", ErrInvalid, n.what, n.name[:32], store, len(n.name), MaxName)
		case !utf8.ValidString(n.name):
			return fmt.Errorf("%w: %s %q in lock store %s is not valid UTF-8", ErrInvalid, n.what, n.name, store)
		}
	}
	return nil
}

// checkSeparator refuses a resource that could be taken for another app's.
func checkSeparator(resource string) error {
	if strings.Contains(resource, separator) {
		return fmt.Errorf("%w: input key/keyPrefix '%s' can't contain '%s'", errSeparator, resource, separator)
	}
	return nil
}
