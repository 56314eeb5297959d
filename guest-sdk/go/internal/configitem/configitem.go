// Package configitem has the configuration item that the packages configuration and handler share under their own
// names.
package configitem

import (
	"fmt"
	"strconv"
	"time"
)

// Item is one value.
type Item struct {
	Key, Value string
	// Version is the store's version of the value; empty if it has none.
	Version string
	// Metadata are the store's facts about the item; may be nil.
	Metadata map[string]string
	// Deleted says that the key is gone; in changes only.
	Deleted bool
}

// Scalar are the types that a value can be read as.
type Scalar interface {
	string | bool | int | int64 | float64 | time.Duration
}

// Parse reads text as a T: numbers and booleans as Go writes them, durations as 1m30s.
func Parse[T Scalar](text string) (T, error) {
	var out T
	var err error
	want := ""
	switch p := any(&out).(type) {
	case *string:
		*p = text
	case *bool:
		want = "true or false"
		*p, err = strconv.ParseBool(text)
	case *int:
		want = "an integer"
		*p, err = strconv.Atoi(text)
	case *int64:
		want = "an integer"
		*p, err = strconv.ParseInt(text, 10, 64)
	case *float64:
		want = "a number"
		*p, err = strconv.ParseFloat(text, 64)
	case *time.Duration:
		want = "a duration such as 1m30s"
		*p, err = time.ParseDuration(text)
	}
	if err != nil {
		return out, fmt.Errorf("want %s, found %q", want, text)
	}
	return out, nil
}
