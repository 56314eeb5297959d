package http

import (
	"fmt"
	"testing"
)

func TestMux(t *testing.T) {
	var m mux
	for _, p := range []string{"GET /orders/{id}", "POST /orders", "/orders/{id}/lines/{n}", "GET /orders/mine", "GET /files/{path...}", "/"} {
		m.add(p, func(r *Request) *Response { return Text(200, fmt.Sprint(p, r.params)) })
	}
	tests := []struct{ method, path, want string }{
		{"GET", "/orders/7", "200 GET /orders/{id}map[id:7]"},
		{"HEAD", "/orders/7", "200 GET /orders/{id}map[id:7]"},
		{"GET", "/orders/mine", "200 GET /orders/minemap[]"},
		{"GET", "/orders/a%2Fb", "200 GET /orders/{id}map[id:a/b]"},
		{"PUT", "/orders/7/lines/2", "200 /orders/{id}/lines/{n}map[id:7 n:2]"},
		{"GET", "/files/a/b.txt", "200 GET /files/{path...}map[path:a/b.txt]"},
		{"GET", "/", "200 /map[]"},
		{"DELETE", "/orders", `405 {"error":"/orders does not take DELETE; it takes POST"}`},
		{"GET", "/nope/x", `404 {"error":"no route for /nope/x"}`},
		{"GET", "/orders/", `404 {"error":"no route for /orders/"}`},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			resp := m.serve(&Request{Method: tt.method, Path: tt.path})
			if got := fmt.Sprintf("%d %s", resp.Status, resp.Body); got != tt.want {
				t.Errorf("got %s; want %s", got, tt.want)
			}
		})
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"orders":        `want [METHOD ]/path, found path "orders"`,
		"/a/{x...}/b":   `segment "{x...}" must be the last`,
		"/a/{}":         `want {name} or {name...}, found segment "{}"`,
		"GET /same/{x}": `matches the same requests as "GET /same/{y}"`,
	} {
		t.Run(pattern, func(t *testing.T) {
			defer func() {
				if got, want := recover(), fmt.Sprintf("http.Route %q: %s", pattern, want); got != want {
					t.Errorf("got %v\nwant %s", got, want)
				}
			}()
			var m mux
			m.add("GET /same/{y}", nil)
			m.add(pattern, nil)
		})
	}
}

func TestRequest(t *testing.T) {
	r := &Request{Query: "a=1&b=x%20y&a=2", Body: []byte(`{"n": 3}`)}
	var body struct{ N int }
	if err := r.Decode(&body); err != nil || body.N != 3 || r.QueryValue("b") != "x y" || r.QueryValue("a") != "1" {
		t.Errorf("got %+v, %v, %q", body, err, r.QueryValue("b"))
	}
	h := Header{{Name: "A", Value: "1"}, {Name: "b", Value: "2"}, {Name: "a", Value: "3"}}
	h.Set("a", "4")
	if h.Get("A") != "4" || len(h) != 2 || h.Get("B") != "2" {
		t.Errorf("Set gave %v", h)
	}
}

func TestDo(t *testing.T) {
	defer Handle(handler)
	Handle(func(*Request) *Response { return nil })
	if got := Do(&Request{}).Status; got != 204 {
		t.Errorf("a nil response: got %d; want 204", got)
	}
}
