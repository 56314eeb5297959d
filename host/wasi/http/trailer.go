package http

import (
	"net/http"
	"strings"
)

// announcedTrailers gives the trailers that a header announces, without values.
func announcedTrailers(h http.Header) http.Header {
	out := http.Header{}
	for _, line := range h["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" && !isForbidden(name) {
				out[name] = nil
			}
		}
	}
	return out
}
