package http

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// mux is a list of routes, the most specific first.
type mux struct{ routes []route }

type route struct {
	method   string
	segments []string // literal, or "{}" for one segment, or "{...}" for the rest
	names    []string // by segment; "" for a literal
	pattern  string
	handler  Handler
}

func (m *mux) add(pattern string, h Handler) {
	r, err := parse(pattern)
	if err != nil {
		panic(fmt.Sprintf("http.Route %q: %v", pattern, err))
	}
	r.handler = h
	for _, other := range m.routes {
		if other.method == r.method && slices.Equal(other.segments, r.segments) {
			panic(fmt.Sprintf("http.Route %q: matches the same requests as %q", pattern, other.pattern))
		}
	}
	m.routes = append(m.routes, r)
	slices.SortStableFunc(m.routes, func(a, b route) int { return slices.Compare(b.rank(), a.rank()) })
}

// rank orders routes: literal segments over {name}, {name} over {name...}, a method over none.
func (r route) rank() []int {
	var out []int
	for _, s := range r.segments {
		switch s {
		case "{...}":
			out = append(out, 1)
		case "{}":
			out = append(out, 2)
		default:
			out = append(out, 3)
		}
	}
	if r.method != "" {
		return append(out, 0, 1)
	}
	return append(out, 0, 0)
}

func parse(pattern string) (route, error) {
	r := route{pattern: pattern}
	path := pattern
	if method, rest, ok := strings.Cut(pattern, " "); ok {
		r.method, path = method, strings.TrimSpace(rest)
	}
	if !strings.HasPrefix(path, "/") {
		return r, fmt.Errorf("want [METHOD ]/path, found path %q", path)
	}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		name := ""
		if strings.HasPrefix(p, "{") {
			inner, closed := strings.CutSuffix(p[1:], "}")
			rest, all := strings.CutSuffix(inner, "...")
			switch {
			case !closed || rest == "" || strings.ContainsAny(rest, "{}"):
				return r, fmt.Errorf("want {name} or {name...}, found segment %q", p)
			case all && i != len(parts)-1:
				return r, fmt.Errorf("segment %q must be the last", p)
			case all:
				p = "{...}"
			default:
				p = "{}"
			}
			name = rest
		}
		r.segments, r.names = append(r.segments, p), append(r.names, name)
	}
	return r, nil
}

func (m *mux) serve(req *Request) *Response {
	parts := strings.Split(strings.TrimPrefix(req.Path, "/"), "/")
	var allowed []string
	for _, r := range m.routes {
		params, ok := r.match(parts)
		if !ok {
			continue
		}
		if r.method != "" && r.method != req.Method && (req.Method != "HEAD" || r.method != "GET") {
			allowed = append(allowed, r.method)
			continue
		}
		req.params = params
		return r.handler(req)
	}
	if allowed != nil {
		resp := Error(405, "%s does not take %s; it takes %s", req.Path, req.Method, strings.Join(allowed, ", "))
		resp.Header.Set("Allow", strings.Join(allowed, ", "))
		return resp
	}
	return Error(404, "no route for %s", req.Path)
}

func (r route) match(parts []string) (map[string]string, bool) {
	var params map[string]string
	for i, s := range r.segments {
		if s == "{...}" {
			return put(params, r.names[i], strings.Join(parts[min(i, len(parts)):], "/")), true
		}
		if i >= len(parts) || s != "{}" && s != parts[i] || s == "{}" && parts[i] == "" {
			return nil, false
		}
		if s == "{}" {
			params = put(params, r.names[i], parts[i])
		}
	}
	return params, len(parts) == len(r.segments)
}

func put(params map[string]string, name, value string) map[string]string {
	if params == nil {
		params = map[string]string{}
	}
	if decoded, err := url.PathUnescape(value); err == nil {
		value = decoded
	}
	params[name] = value
	return params
}
