package abi

import "strings"

// Track gives the name of an interface with its version shortened to what has to be equal for two versions to be
// compatible: "wasi:io/streams@0.2.3" is on the track "wasi:io/streams@0.2", "a:b/c@1.4.0" on "a:b/c@1", "a:b/c@0.0.3"
// and every pre-release such as "a:b/c@0.2.0-draft" on none but its own. A name without version is its own track
// (Explainer.md, canonical interface names).
func Track(name string) string {
	base, version, ok := strings.Cut(name, "@")
	if !ok {
		return name
	}
	version, _, _ = strings.Cut(version, "+")
	if strings.Contains(version, "-") {
		return base + "@" + version
	}
	parts := strings.Split(version, ".")
	for i, part := range parts {
		if part != "0" {
			return base + "@" + strings.Join(parts[:i+1], ".")
		}
	}
	return base + "@" + version
}
