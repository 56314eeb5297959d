package http

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// Rule is one entry of spec.allow.hosts.
type Rule struct {
	// text is the entry as it is written.
	text string
	// scheme is "http", "https", or "" for both.
	scheme string
	// host is a name or an address in lower case; with suffix, what the name must end with: ".example.com". Empty
	// with suffix means every host.
	host   string
	suffix bool
	// port is "" for the scheme's own, "*" for any.
	port string
}

// String is the entry as it is written.
func (r Rule) String() string { return r.text }

// wildcard tells whether the entry names no host in particular. Such an entry reaches public addresses only.
func (r Rule) wildcard() bool { return r.suffix }

// ParseRule reads one entry of spec.allow.hosts:
//
//	https://api.example.com        this host, over https, on port 443
//	https://api.example.com:8443   on this port only; :* is any port
//	api.example.com                http and https, on their own ports
//	*.example.com                  all names below example.com, not itself
//	*                              every host, any port
//
// Entries with * reach public addresses only: not loopback, private networks or link-local addresses such as a
// cloud's metadata service. Name such hosts in full.
func ParseRule(s string) (Rule, error) {
	if s == "*" {
		return Rule{text: s, suffix: true, port: "*"}, nil
	}
	r := Rule{text: s}
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		if r.scheme = strings.ToLower(scheme); r.scheme != "http" && r.scheme != "https" {
			return Rule{}, fmt.Errorf("%q: expected http:// or https://, found %s://", s, scheme)
		}
		rest = after
	}
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/?#@ ") || rest == "" {
		return Rule{}, fmt.Errorf("%q: expected scheme, host and port only, for example https://api.example.com; a whole host is allowed or not", s)
	}
	var err error
	if r.host, r.port, err = splitRule(rest); err != nil {
		return Rule{}, fmt.Errorf("%q: %w", s, err)
	}
	if name, ok := strings.CutPrefix(r.host, "*"); ok {
		r.host, r.suffix = name, true
		if r.host != "" && !strings.HasPrefix(r.host, ".") {
			return Rule{}, fmt.Errorf("%q: expected * only as a whole first label, as in *.example.com", s)
		}
	}
	if strings.Contains(r.host, "*") {
		return Rule{}, fmt.Errorf("%q: expected * only as the first label, as in *.example.com", s)
	}
	if bare := strings.TrimPrefix(r.host, "."); bare != "" {
		name, err := normalHost(bare)
		if err != nil {
			return Rule{}, fmt.Errorf("%q: %w", s, err)
		}
		r.host = r.host[:len(r.host)-len(bare)] + name
	}
	return r, nil
}

// splitRule cuts host and port apart.
func splitRule(s string) (host, port string, err error) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") || !strings.Contains(s, ":") {
		return s, "", nil
	}
	if host, port, err = net.SplitHostPort(s); err != nil {
		return "", "", fmt.Errorf("expected host:port, with an IPv6 address in []: %w", err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "*" && (err != nil || n == 0) {
		return "", "", fmt.Errorf("expected a port from 1 to 65535 or *, found %q", port)
	}
	return host, port, nil
}

// normalHost gives a name in lower-case ASCII (IDNA) without a dot at the end, and an address in its one form.
func normalHost(host string) (string, error) {
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	if ip := net.ParseIP(host); ip != nil {
		return ip.String(), nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		// Names with _ and the like are no IDNA names but do exist in private networks.
		for i := range len(host) {
			if c := host[i]; c > 0x7e || c <= ' ' || strings.IndexByte(`/\?#@:[]%*`, c) >= 0 {
				return "", fmt.Errorf("expected a host's name or address, found %q", host)
			}
		}
		return strings.ToLower(host), nil
	}
	return ascii, nil
}

// matches tells whether the entry allows a URL; host is normal, port is set.
func (r Rule) matches(scheme, host, port string) bool {
	if r.scheme != "" && r.scheme != scheme {
		return false
	}
	switch r.port {
	case "*", port:
	case "":
		if port != defaultPort(scheme) {
			return false
		}
	default:
		return false
	}
	if !r.suffix {
		return r.host == host
	}
	return r.host == "" || strings.HasSuffix(host, r.host) && net.ParseIP(host) == nil
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// Rules are the allowed hosts of an app.
type Rules []Rule

// ParseRules reads all entries and gives all errors.
func ParseRules(entries []string) (Rules, error) {
	var out Rules
	var errs []error
	for _, e := range entries {
		r, err := ParseRule(e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(errs...)
}

// check gives the entry that allows a URL: the first that names the host, else the first with a wildcard.
func (rs Rules) check(app string, u *url.URL) (Rule, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return Rule{}, fmt.Errorf("expected a URL with http or https, found scheme %q", u.Scheme)
	}
	if u.Hostname() == "" {
		return Rule{}, errors.New("expected a URL with a host, found none")
	}
	host, err := normalHost(u.Hostname())
	if err != nil {
		return Rule{}, err
	}
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	var wild *Rule
	for i, r := range rs {
		if !r.matches(u.Scheme, host, port) {
			continue
		}
		if !r.wildcard() {
			return r, nil
		}
		if wild == nil {
			wild = &rs[i]
		}
	}
	if wild != nil {
		return *wild, nil
	}
	origin := u.Scheme + "://" + u.Host
	return Rule{}, &wire.DeniedError{Reason: fmt.Sprintf("app %s may not call %s: add it to the app's manifest: spec: {allow: {hosts: [%q]}}", app, origin, origin)}
}
