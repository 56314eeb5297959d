package state

import (
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Separator stands between the prefix and the app's own key; no key of an app contains it.
const Separator = "||"

// MaxKey bounds an app's key, in bytes.
const MaxKey = 64 << 10

// keyPrefix gives what stands before an app's keys in a store, the separator included, by the component's metadata
// field keyPrefix: appid (the default), name (the component's), namespace (<namespace>.<app id>), none, or any other
// text as it is, in lower case as Dapr has it. Calls from outside that are on behalf of no app have an empty app id:
// then appid and namespace give no prefix.
func keyPrefix(m component.Metadata, name, app, namespace string) (string, error) {
	text, _ := m.Get("keyPrefix")
	strategy := strings.ToLower(text)
	if strings.Contains(strategy, Separator) {
		return "", fmt.Errorf("metadata field keyPrefix: want appid, name, namespace, none or a text without %s, found %q", Separator, text)
	}
	prefix := strategy
	switch strategy {
	case "none":
		return "", nil
	case "name":
		prefix = name
	case "", "appid":
		prefix = app
	case "namespace":
		prefix = app
		if app != "" && namespace != "" {
			prefix = namespace + "." + app
		}
	}
	if prefix == "" {
		return "", nil
	}
	return prefix + Separator, nil
}

// checkKey says whether a key may be an app's.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: the key is empty", ErrInvalidKey)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: the key has %d bytes, more than %d", ErrInvalidKey, len(key), MaxKey)
	}
	return checkSeparator(key)
}

func checkSeparator(key string) error {
	if strings.Contains(key, Separator) {
		return fmt.Errorf("%w: input key/keyPrefix '%s' can't contain '%s'", ErrInvalidKey, key, Separator)
	}
	return nil
}
