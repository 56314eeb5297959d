package invoke

import (
	"net/url"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// clean leaves out the fields of one connection, those that HTTP forbids, and of a request those that only the host
// may set. The list that is given is not changed.
func clean(in []Header, request bool) []Header {
	var named []string // by Connection
	for _, h := range in {
		if strings.EqualFold(h.Name, "connection") {
			named = append(named, h.Value)
		}
	}
	out := make([]Header, 0, len(in))
	for _, h := range in {
		if !wire.ValidField(h.Name, h.Value) || wire.HopByHop(h.Name) || request && hostsOwn(h.Name) {
			continue
		}
		if slices.ContainsFunc(named, func(list string) bool { return listed(list, h.Name) }) {
			continue
		}
		out = append(out, h)
	}
	return out
}

// hostsOwn tells whether the host sets a request's field itself.
func hostsOwn(name string) bool {
	switch len(name) {
	case 4:
		return strings.EqualFold(name, "host")
	case 10:
		return strings.EqualFold(name, "tracestate")
	case 11:
		return strings.EqualFold(name, "traceparent") || strings.EqualFold(name, wire.AppID)
	case 14:
		return strings.EqualFold(name, wire.APIToken) || strings.EqualFold(name, "content-length")
	case 18:
		return strings.EqualFold(name, wire.CallerAppID) || strings.EqualFold(name, wire.CalleeAppID)
	default:
		return false
	}
}

// listed tells whether a comma-separated list has the name.
func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), name) {
			return true
		}
	}
	return false
}

// normalPath takes slashes at the front away and resolves . and .. segments, also percent-encoded ones, so that a
// path that is allowed cannot mean another one. Everything else stays as it is, a slash at the end included.
func normalPath(p string) string {
	p = strings.TrimLeft(p, "/")
	if !strings.Contains(p, ".") && !strings.Contains(p, "%2") {
		return p
	}
	var out []string
	segments := strings.Split(p, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			plain = s
		}
		last := i == len(segments)-1
		switch plain {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
			continue
		}
		if last && len(out) > 0 {
			out = append(out, "")
		}
	}
	return strings.TrimLeft(strings.Join(out, "/"), "/")
}
