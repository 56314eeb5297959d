package component

import (
	"fmt"
	"strings"
)

// nameForm is what an import's or export's name says about it.
type nameForm uint8

const (
	formLabel nameForm = iota
	formConstructor
	formMethod
	formStatic
	formInterface
	formDependency // locked-dep, unlocked-dep, url, integrity: imports only
)

// parsedName is an extern name taken apart [Import and Export Definitions].
type parsedName struct {
	form nameForm
	// resource is the resource's label of the annotated forms.
	resource string
	// version is an interface name's, empty if there is none.
	version string
	// key is equal for names that are not strongly unique [Name Uniqueness].
	key string
}

// badName is an error about a name.
func badName(expected, name string) error {
	return &Error{Expected: expected, Found: fmt.Sprintf("%.100q", name)}
}

const (
	wantExternName = "a label in kebab case (a-b, a-B1) or an interface name (ns:pkg/iface@1.0.0)"
	wantLabel      = "a label in kebab case: words of letters and digits, each all lower or all upper case, joined by hyphens"
)

// parseExternName takes a name apart.
func parseExternName(name string) (parsedName, error) {
	switch {
	case strings.HasPrefix(name, "["):
		return parseAnnotated(name)
	case isDependency(name):
		return parsedName{form: formDependency, key: name}, nil
	case strings.Contains(name, ":"):
		return parseInterfaceName(name)
	case isLabel(name):
		return parsedName{form: formLabel, key: strings.ToLower(name)}, nil
	default:
		return parsedName{}, badName(wantExternName, name)
	}
}

func parseAnnotated(name string) (parsedName, error) {
	annotation, rest, _ := strings.Cut(name[1:], "]")
	if annotation == "constructor" {
		if !isLabel(rest) {
			return parsedName{}, badName("[constructor] and the resource's label", name)
		}
		return parsedName{form: formConstructor, resource: rest, key: strings.ToLower(name)}, nil
	}
	p := parsedName{form: formMethod}
	switch annotation {
	case "method":
	case "static":
		p.form = formStatic
	default:
		return p, badName("the annotation [constructor], [method] or [static]", name)
	}
	resource, label, ok := strings.Cut(rest, ".")
	if !ok || !isLabel(resource) || !isLabel(label) {
		return p, badName(fmt.Sprintf("[%s]resource.name with two labels in kebab case", annotation), name)
	}
	p.resource, p.key = resource, strings.ToLower(rest)
	if strings.EqualFold(resource, label) {
		p.key = strings.ToLower(label)
	}
	return p, nil
}

func parseInterfaceName(name string) (parsedName, error) {
	path, version, versioned := strings.Cut(name, "@")
	namespace, rest, _ := strings.Cut(path, ":")
	pkg, iface, ok := strings.Cut(rest, "/")
	if !ok || !isWords(namespace) || !isWords(pkg) || !isLabel(iface) {
		return parsedName{}, badName(wantExternName, name)
	}
	if versioned && !isSemver(version) && !isCanonVersion(version) {
		return parsedName{}, badName("an interface name whose version is a semantic version (1.2.3, 0.2.0-rc)", name)
	}
	p := parsedName{form: formInterface, version: version, key: strings.ToLower(path)}
	if versioned {
		p.key += "@" + version
	}
	return p, nil
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isLabel tells whether s is a label: fragments that are lower-case words or upper-case acronyms, joined by hyphens,
// the first of which begins with a letter.
func isLabel(s string) bool {
	if s == "" || isDigit(s[0]) {
		return false
	}
	for s != "" {
		fragment, rest, more := strings.Cut(s, "-")
		if !isFragment(fragment) || more && rest == "" {
			return false
		}
		s = rest
	}
	return true
}

func isFragment(s string) bool {
	lower, upper := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case isLower(c):
			lower = true
		case isUpper(c):
			upper = true
		case !isDigit(c):
			return false
		}
	}
	return s != "" && (!lower || !upper)
}

// isWords tells whether s is a label in lower case: a namespace or a package.
func isWords(s string) bool { return isLabel(s) && strings.ToLower(s) == s }

// isSemver tells whether s is a version by Semantic Versioning 2.0.
func isSemver(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	s, pre, hasPre := strings.Cut(s, "-")
	parts := strings.Split(s, ".")
	if len(parts) != 3 || !isNumber(parts[0]) || !isNumber(parts[1]) || !isNumber(parts[2]) {
		return false
	}
	return (!hasPre || identifiers(pre, false)) && (!hasBuild || identifiers(build, true))
}

// isNumber tells whether s is a number without leading zeros that fits 64 bits.
func isNumber(s string) bool {
	return s != "" && len(s) < 20 && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// identifiers tells whether s is a list of the identifiers of a pre-release or build; only a build's may be numbers
// with leading zeros.
func identifiers(s string, build bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		digits := true
		for i := range len(id) {
			c := id[i]
			digits = digits && isDigit(c)
			if !isDigit(c) && !isLower(c) && !isUpper(c) && c != '-' {
				return false
			}
		}
		if id == "" || digits && !build && id[0] == '0' && id != "0" {
			return false
		}
	}
	return true
}

// isCanonVersion tells whether s is the part of a version that compatible versions share [Canonical Interface Name].
func isCanonVersion(s string) bool {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		last := i == len(parts)-1
		if !isNumber(p) || last && p == "0" && s != "0.0.0" || !last && p != "0" {
			return false
		}
	}
	return len(parts) <= 3
}
