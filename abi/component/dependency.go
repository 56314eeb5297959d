package component

import (
	"encoding/base64"
	"strings"
)

// isDependency tells whether name is one of the older forms that name a component to import:
//
//	locked-dep=<ns:pkg@1.0.0>,integrity=<sha256-…>
//	unlocked-dep=<ns:pkg@{>=1.0.0 <2.0.0}>
//	url=<https://…>,integrity=<sha256-…>
//	integrity=<sha256-…>
func isDependency(name string) bool {
	form, rest, ok := strings.Cut(name, "=<")
	if !ok {
		return false
	}
	body, tail, ok := strings.Cut(rest, ">")
	if form == "unlocked-dep" {
		// A range has brackets of its own.
		i := strings.LastIndexByte(rest, '>')
		return i >= 0 && i == len(rest)-1 && isPackageQuery(rest[:i])
	}
	if !ok {
		return false
	}
	switch form {
	case "locked-dep":
		path, version, versioned := strings.Cut(body, "@")
		return isPackagePath(path) && (!versioned || isSemver(version)) && isIntegrityTail(tail)
	case "url":
		return !strings.Contains(body, "<") && isIntegrityTail(tail)
	case "integrity":
		return tail == "" && isIntegrity(body)
	default:
		return false
	}
}

func isPackagePath(s string) bool {
	namespace, pkg, ok := strings.Cut(s, ":")
	return ok && isWords(namespace) && isWords(pkg)
}

// isPackageQuery tells whether s is a package with an optional range: @*, @{>=a}, @{<b} or @{>=a <b}.
func isPackageQuery(s string) bool {
	path, query, ok := strings.Cut(s, "@")
	if !isPackagePath(path) {
		return false
	}
	if !ok || query == "*" {
		return true
	}
	inner, ok := strings.CutPrefix(query, "{")
	if !ok || !strings.HasSuffix(inner, "}") {
		return false
	}
	lower, upper, both := strings.Cut(strings.TrimSuffix(inner, "}"), " ")
	if !both && strings.HasPrefix(lower, "<") {
		lower, upper, both = "", lower, true
	}
	from, hasFrom := strings.CutPrefix(lower, ">=")
	to, hasTo := strings.CutPrefix(upper, "<")
	return (lower == "" && both || hasFrom && isSemver(from)) && (!both || hasTo && isSemver(to))
}

func isIntegrityTail(s string) bool {
	if s == "" {
		return true
	}
	body, ok := strings.CutPrefix(s, ",integrity=<")
	return ok && strings.HasSuffix(body, ">") && isIntegrity(strings.TrimSuffix(body, ">"))
}

// isIntegrity tells whether s is integrity metadata: hashes, each with options, separated by space.
func isIntegrity(s string) bool {
	hashes := strings.Fields(s)
	for _, h := range hashes {
		h, _, _ = strings.Cut(h, "?")
		algorithm, digest, ok := strings.Cut(h, "-")
		if !ok || digest == "" || algorithm != "sha256" && algorithm != "sha384" && algorithm != "sha512" {
			return false
		}
		if _, err := base64.StdEncoding.DecodeString(digest); err != nil {
			return false
		}
	}
	return len(hashes) > 0
}
