package actor

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// ID names an actor. Both parts are non-empty, contain no "||" and do not begin or end with "|".
type ID struct{ Type, ID string }

// String gives "type/id".
func (id ID) String() string { return id.Type + "/" + id.ID }

// Entry is a stored value.
type Entry struct {
	Value []byte
	// Expires is when the entry ends; zero when it does not.
	Expires time.Time
}

// Op is one step of a transaction.
type Op struct {
	Key    string
	Delete bool
	// Value is kept by nobody after the transaction.
	Value []byte
	// TTL is how long the entry lives; nil is for ever, also when an earlier one of the key had an end.
	TTL *time.Duration
}

// Store is where actors of one app have their state. Keys are whole: "app||type||id||key". All methods are safe for
// concurrent use.
type Store interface {
	// Get reads one key; nil, nil if it does not exist or has expired. The entry is not changed by anybody later.
	Get(ctx context.Context, key string) (*Entry, error)
	// Transact does all of ops or nothing. No key comes twice.
	Transact(ctx context.Context, ops []Op) error
	// ListKeys gives a page of the keys that begin with prefix, in ascending byte order, and the token of the next
	// page; "" at the end.
	ListKeys(ctx context.Context, prefix string, limit int, token string) (keys []string, next string, err error)
}

// Sizes of names, in bytes.
const (
	maxType   = 256
	maxID     = 1024
	maxMethod = 256
	maxKey    = 1024
)

// reservedTypes begin types that no app may have.
const reservedTypes = "dapr.internal."

// sep separates the parts of keys.
const sep = "||"

// prefix begins all keys of an actor's state.
func (id ID) prefix(app string) string { return app + sep + id.Type + sep + id.ID + sep }

// savedPrefix begins the keys of the memories of sleeping actors of a type. An empty type stands where a user's key
// has a type, which begins with no "|": no key of a user's is like it.
func savedPrefix(app, typ string) string { return app + sep + sep + "hibernated" + sep + typ + sep }

func (id ID) savedKey(app string) string { return savedPrefix(app, id.Type) + id.ID }

func checkID(id ID) error {
	if err := checkName("actor type", id.Type, maxType); err != nil {
		return err
	}
	return checkName("actor id", id.ID, maxID)
}

func checkName(what, s string, limit int) error {
	switch {
	case s == "":
		return errorf(ErrInvalidRequest, "%s: expected a name, found an empty one", what)
	case len(s) > limit:
		return errorf(ErrInvalidRequest, "%s: expected at most %d bytes, found %d", what, limit, len(s))
	case strings.Contains(s, sep) || s[0] == '|' || s[len(s)-1] == '|':
		return errorf(ErrInvalidRequest, "%s: expected a name without %q that neither begins nor ends with %q, found %q", what, sep, "|", clip(s))
	case !utf8.ValidString(s):
		return errorf(ErrInvalidRequest, "%s: expected UTF-8, found %q", what, clip(s))
	default:
		return nil
	}
}

// checkText checks a method, or the key of an actor's state.
func checkText(what, s string, limit int) error {
	switch {
	case s == "":
		return errorf(ErrInvalidRequest, "%s: expected a name, found an empty one", what)
	case len(s) > limit:
		return errorf(ErrInvalidRequest, "%s: expected at most %d bytes, found %d", what, limit, len(s))
	case !utf8.ValidString(s):
		return errorf(ErrInvalidRequest, "%s: expected UTF-8, found %q", what, clip(s))
	default:
		return nil
	}
}

// clip bounds a text of a caller's in an error.
func clip(s string) string {
	if len(s) > 100 {
		return fmt.Sprintf("%s... (%d bytes)", s[:100], len(s))
	}
	return s
}
