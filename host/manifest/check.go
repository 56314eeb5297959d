package manifest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check runs the check that a field's tag names.
func check(name, text string) error {
	switch name {
	case "componentType":
		return checkType(text)
	case "actorType":
		return checkActorType(text)
	case "allowHost":
		return checkAllowHost(text)
	case "allowSocket":
		_, err := ParseSocketRule(text)
		return err
	case "baseURL":
		return checkBaseURL(text)
	case "httpCodes":
		return checkCodes(text, 100, 599)
	case "grpcCodes":
		return checkCodes(text, 0, 16)
	case "rate":
		return checkRate(text)
	case "regexp":
		return checkRegexp(text)
	case "verb":
		return checkVerb(text)
	case "celEvent":
		return checkEventCEL(text)
	case "celTrip":
		return checkTripCEL(text)
	default: // no check, or one that the type does
		return nil
	}
}

var (
	appNames = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	notLabel = regexp.MustCompile(`[^a-z0-9]+`)
	httpWord = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

// checkAppName checks an app's name. It is Dapr's app id and part of host names, routes and NATS subjects, so it is
// a DNS label.
func checkAppName(name string) error {
	if appNames.MatchString(name) {
		return nil
	}
	mended := strings.Trim(notLabel.ReplaceAllString(strings.ToLower(name), "-"), "-")
	hint := ""
	if appNames.MatchString(mended) {
		hint = fmt.Sprintf("write %q", mended)
	}
	return &hintError{"want 1 to 63 characters a-z, 0-9 and -, with a letter or digit first and last, found " + quote(name), hint, 0}
}

// checkSegment checks the name of anything else: it is one segment of a URL path in Dapr's API.
func checkSegment(name string) error {
	const limit = 253
	switch {
	case name == "." || name == "..", strings.ContainsAny(name, "/%"), len(name) > limit:
		return fmt.Errorf("want a name of at most %d characters without / and %%, found %s", limit, quote(name))
	}
	return nil
}

func checkActorType(name string) error {
	if strings.HasPrefix(name, "dapr.internal.") {
		return fmt.Errorf("names that start with dapr.internal. are reserved, found %s", quote(name))
	}
	if strings.Contains(name, "||") {
		return fmt.Errorf("want a name without ||, found %s", quote(name))
	}
	return checkSegment(name)
}

// Route is a pattern of the front door. "/orders" is that path alone; "/orders/..." is /orders and every path below
// it; "/..." is every path. Of several patterns that match, the longest wins, and one without ... before one with.
type Route struct {
	// Path is the pattern without "/...": "/orders"; "/" is the root alone, or with Prefix every path.
	Path   string
	Prefix bool
}

// ParseRoute reads a pattern.
func ParseRoute(text string) (Route, error) {
	var r Route
	err := r.parseText(text)
	return r, err
}

// String gives the pattern.
func (r Route) String() string {
	switch {
	case !r.Prefix:
		return r.Path
	case r.Path == "/":
		return "/..."
	default:
		return r.Path + "/..."
	}
}

func (r *Route) parseText(text string) error {
	path, prefix := strings.CutSuffix(text, "/...")
	bad := func(hint string) error {
		return &hintError{"want a path such as /orders, or /orders/... for all below it", hint, 0}
	}
	switch {
	case text == "/" || text == "/...":
		*r = Route{"/", prefix}
		return nil
	case !strings.HasPrefix(text, "/"):
		return bad(fmt.Sprintf("write %q", "/"+text))
	case strings.HasSuffix(path, "/*"):
		return bad(fmt.Sprintf("write %q", strings.TrimRight(path, "/*")+"/..."))
	case strings.HasSuffix(path, "/"):
		return bad(fmt.Sprintf("write %q or %q", strings.TrimRight(path, "/"), strings.TrimRight(path, "/")+"/..."))
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || strings.Trim(segment, ".") == "" {
			return bad("segments that are empty or only dots are not possible")
		}
		if i := strings.IndexFunc(segment, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`*{}?#%\"<>`, c) }); i >= 0 {
			return bad(fmt.Sprintf("character %q is not possible", segment[i:i+1]))
		}
	}
	*r = Route{path, prefix}
	return nil
}

// checkAllowHost checks an entry of allow.hosts: *, or [scheme://]host[:port] where the host may start with "*.".
func checkAllowHost(text string) error {
	const wanted = "want a host such as https://api.example.com, *.example.com or *"
	if text == "*" {
		return nil
	}
	host := text
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return &hintError{wanted + ", found scheme " + quote(scheme), suggestEnum(scheme, []string{"http", "https"}), 0}
		}
		host = rest
	}
	host = strings.TrimSuffix(host, "/")
	if at := strings.IndexAny(host, "/?#"); at >= 0 {
		return &hintError{wanted + ", found a path", fmt.Sprintf("write %q: a whole host is allowed or not", strings.TrimSuffix(text, host[at:])), 0}
	}
	name, ok := withoutPort(host)
	name = strings.TrimPrefix(name, "*.")
	if !ok || name == "" || strings.ContainsAny(name, "*@% \"'\\") {
		return fmt.Errorf("%s, found %s", wanted, quote(text))
	}
	return nil
}

// withoutPort cuts off a port; * is any port.
func withoutPort(host string) (name string, ok bool) {
	if bare, isV6 := strings.CutPrefix(host, "["); isV6 && strings.HasSuffix(bare, "]") {
		return strings.TrimSuffix(bare, "]"), true
	}
	if !strings.Contains(host, ":") {
		return host, true
	}
	name, port, err := net.SplitHostPort(host)
	n, numErr := strconv.Atoi(port)
	return name, err == nil && (port == "*" || numErr == nil && n >= 1 && n <= 65535)
}

func checkBaseURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("want a URL such as https://api.example.com: %w", errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		hint := ""
		if !strings.Contains(text, "://") {
			hint = fmt.Sprintf("write %q", "https://"+text)
		}
		return &hintError{"want a URL such as https://api.example.com, found " + quote(text), hint, 0}
	}
	return nil
}

// checkCodes checks a list of codes and ranges, for example 429,500-599.
func checkCodes(text string, low, high int) error {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, errA := strconv.Atoi(first)
		b, errB := a, error(nil)
		if isRange {
			b, errB = strconv.Atoi(last)
		}
		if errA != nil || errB != nil || a < low || b > high || a > b {
			return fmt.Errorf("want codes from %d to %d and ranges, for example %d,%d-%d, found %s", low, high, low+1, high-1, high, quote(part))
		}
	}
	return nil
}

func checkRate(text string) error {
	if r, err := strconv.ParseFloat(text, 64); text != "" && (err != nil || !(r >= 0 && r <= 1)) {
		return fmt.Errorf("want a number from 0 to 1 in quotes, found %s", quote(text))
	}
	return nil
}

func checkRegexp(text string) error {
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("want a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

func checkVerb(text string) error {
	verbs := []string{"*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
	if !slices.Contains(verbs, strings.ToUpper(text)) {
		return &hintError{"want an HTTP verb or *, found " + quote(text), suggestEnum(text, verbs), 0}
	}
	return nil
}

func isToken(s string) bool { return httpWord.MatchString(s) }

func quote(s string) string { return strconv.Quote(shorten(s)) }
