package http

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// methods are the verbs that have a case of their own.
var methods = [...]struct {
	tag  abihttp.MethodTag
	name string
}{
	{abihttp.MethodGet, http.MethodGet},
	{abihttp.MethodHead, http.MethodHead},
	{abihttp.MethodPost, http.MethodPost},
	{abihttp.MethodPut, http.MethodPut},
	{abihttp.MethodDelete, http.MethodDelete},
	{abihttp.MethodConnect, http.MethodConnect},
	{abihttp.MethodOptions, http.MethodOptions},
	{abihttp.MethodTrace, http.MethodTrace},
	{abihttp.MethodPatch, http.MethodPatch},
}

// methodOf gives the case of a verb.
func methodOf(name string) abihttp.Method {
	for _, m := range methods {
		if m.name == name {
			return abihttp.Method{Tag: m.tag}
		}
	}
	return abihttp.Method{Tag: abihttp.MethodOther, Value: name}
}

// methodName gives the verb of a case.
func methodName(m abihttp.Method) string {
	for _, known := range methods {
		if known.tag == m.Tag {
			return known.name
		}
	}
	return m.Value
}

// validToken takes what RFC 9110 5.6.2 calls a token, as verbs and field names are.
func validToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

// validScheme takes what RFC 3986 3.1 calls a scheme.
func validScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// validAuthority takes a host, which may be an IPv6 address in brackets, and perhaps a port and what is before an @.
func validAuthority(s string) bool {
	if s == "" || strings.ContainsAny(s, "/?#\\ \"<>^`{|}") || !visible(s) {
		return false
	}
	u, err := url.Parse("//" + s)
	if err != nil || u.Hostname() == "" {
		return false
	}
	if strings.HasSuffix(u.Host, ":") || strings.Contains(u.Hostname(), ":") != strings.HasPrefix(u.Host, "[") {
		return false
	}
	if port := u.Port(); port != "" {
		_, err := strconv.ParseUint(port, 10, 16)
		return err == nil
	}
	return true
}

// validPath takes an absolute path with its query, "*", a query alone, and nothing.
func validPath(s string) bool {
	if strings.ContainsAny(s, "# \"<>\\^`") || !visible(s) {
		return false
	}
	if s != "" && s != "*" && s[0] != '/' && s[0] != '?' {
		return false
	}
	_, err := url.ParseRequestURI("/" + strings.TrimPrefix(s, "/"))
	return err == nil
}

// visible tells whether s has visible ASCII characters only.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// urlOf gives the URL of an outgoing request, or why there is none. No scheme means https.
func (r *outgoingRequest) urlOf() (*url.URL, *abihttp.ErrorCode) {
	u := &url.URL{Scheme: "https"}
	if r.scheme != nil {
		switch r.scheme.Tag {
		case abihttp.SchemeHTTP:
			u.Scheme = "http"
		case abihttp.SchemeHTTPS:
		default:
			if u.Scheme = strings.ToLower(r.scheme.Value); u.Scheme != "http" && u.Scheme != "https" {
				return nil, &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPProtocolError}
			}
		}
	}
	if r.authority == nil || strings.Contains(*r.authority, "@") {
		return nil, &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPRequestURIInvalid}
	}
	u.Host = *r.authority
	if r.path == nil {
		u.Path = "/"
		return u, nil
	}
	path, query, hasQuery := strings.Cut(*r.path, "?")
	if path == "" {
		path = "/"
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPRequestURIInvalid}
	}
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = plain, path, query, hasQuery && query == ""
	if path == "*" {
		u.Opaque = "*"
	}
	return u, nil
}
