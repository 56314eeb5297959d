package wire

import (
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Names of header fields with a meaning of their own.
const (
	// CallerAppID names the app that makes a call. It is set by the host and never taken from outside.
	CallerAppID = "Dapr-Caller-App-Id"
	// CalleeAppID names the app that is called.
	CalleeAppID = "Dapr-Callee-App-Id"
	// AppID names the app that an API call is for.
	AppID = "Dapr-App-Id"
	// APIToken authenticates a client of the API.
	APIToken = "Dapr-Api-Token"
)

// hopByHop are the fields that belong to one connection (RFC 9110 7.6.1), and old ones in use.
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// StripHopByHop removes the fields of one connection, those that Connection names included.
func StripHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// SetForwarded tells the app who its client is by X-Forwarded-For, -Host and -Proto. What the client itself said
// is kept only if trust is set, that is behind a proxy of one's own; then the peer is appended to the chain.
func SetForwarded(h http.Header, r *http.Request, trust bool) {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	if !trust {
		h.Del("Forwarded")
		h.Set("X-Forwarded-For", peer)
		h.Set("X-Forwarded-Host", r.Host)
		h.Set("X-Forwarded-Proto", Scheme(r))
		return
	}
	if prior := h.Values("X-Forwarded-For"); len(prior) > 0 {
		peer = strings.Join(prior, ", ") + ", " + peer
	}
	h.Set("X-Forwarded-For", peer)
	if h.Get("X-Forwarded-Host") == "" {
		h.Set("X-Forwarded-Host", r.Host)
	}
	if h.Get("X-Forwarded-Proto") == "" {
		h.Set("X-Forwarded-Proto", Scheme(r))
	}
}

// Scheme is "https" if the client came over TLS, else "http".
func Scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// ValidField tells whether name and value may stand in an HTTP header.
func ValidField(name, value string) bool {
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value)
}

// ValidMethod tells whether m is a verb that may be sent: a token, and neither CONNECT nor TRACE, which are about
// the connection.
func ValidMethod(m string) bool {
	return httpguts.ValidHeaderFieldName(m) && m != http.MethodConnect && m != http.MethodTrace
}

// WriteResponse answers a request with an app's status, fields and body. Fields of the connection are dropped, and
// so are names and values that HTTP forbids; their names are given back. A status outside 200 to 599 gives false,
// and nothing is written.
func WriteResponse(w http.ResponseWriter, method string, status uint16, fields func(add func(name, value string)), body []byte) (bad []string, ok bool) {
	if status < 200 || status > 599 {
		return nil, false
	}
	h := w.Header()
	fields(func(name, value string) {
		if !ValidField(name, value) {
			bad = append(bad, name)
			return
		}
		h.Add(name, value)
	})
	StripHopByHop(h)
	// The length is ours to tell, but an app answers HEAD with the length that GET would have.
	switch {
	case method != http.MethodHead:
		h.Del("Content-Length")
	case len(body) > 0:
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(int(status))
	if method != http.MethodHead && bodyAllowed(status) {
		_, _ = w.Write(body) // the client is gone; nobody is left to tell
	}
	return bad, true
}

// bodyAllowed: RFC 9110 6.4.1.
func bodyAllowed(status uint16) bool { return status >= 200 && status != 204 && status != 304 }

// Fields calls add for every field, names in sorted order, values in theirs.
func Fields(h http.Header, add func(name, value string)) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			add(name, value)
		}
	}
}

// Count is the number of fields, to allocate a list once.
func Count(h http.Header) (n int) {
	for _, v := range h {
		n += len(v)
	}
	return min(n, abi.MaxElements)
}

// HopByHop tells whether a field belongs to one connection, in any case of letters.
func HopByHop(name string) bool {
	for _, h := range hopByHop {
		if len(h) == len(name) && strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}
