package localsecret

import (
	"os"
	"strings"
)

// Reserved tells whether an environment variable is the host's own, as in Dapr: APP_API_TOKEN, and DAPR_API_TOKEN with
// all that begins as it does, in any case.
func Reserved(name string) bool {
	name = strings.ToUpper(name)
	return name == "APP_API_TOKEN" || strings.HasPrefix(name, "DAPR_")
}

// Getenv gives an environment variable whose name is exactly this one, on systems too that do not tell case apart:
// who may read what goes by names.
func Getenv(name string) (string, bool) {
	value, ok := "", false
	each(func(n, v string) {
		if n == name {
			value, ok = v, true
		}
	})
	return value, ok
}

// WithPrefix gives all environment variables that begin with prefix and go on behind it, without the prefix; none that
// is Reserved.
func WithPrefix(prefix string) map[string]string {
	out := map[string]string{}
	each(func(name, value string) {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && !Reserved(name) {
			out[rest] = value
		}
	})
	return out
}

func each(visit func(name, value string)) {
	for _, entry := range os.Environ() {
		// Windows has hidden variables that begin with =.
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			visit(name, value)
		}
	}
}
