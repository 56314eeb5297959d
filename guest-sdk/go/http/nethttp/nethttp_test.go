package nethttp

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	mrthttp "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

func TestHandle(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/{id}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("X-Late", "lost")
		if _, err := fmt.Fprintf(w, "%s %s %s %s", r.PathValue("id"), r.URL.Query().Get("q"), r.Header.Get("x-in"), body); err != nil {
			t.Error(err)
		}
	})
	Handle(mux)
	resp := mrthttp.Do(&mrthttp.Request{
		Method: "POST", Path: "/echo/7", Query: "q=a%20b", Body: []byte("body"),
		Header: mrthttp.Header{{Name: "X-In", Value: "h"}},
	})
	if got := fmt.Sprintf("%d %s", resp.Status, resp.Body); got != "201 7 a b h body" {
		t.Errorf("got %s", got)
	}
	if got := resp.Header.Values("x-two"); len(got) != 2 || resp.Header.Get("X-Late") != "" {
		t.Errorf("headers: %v", resp.Header)
	}
	if got := mrthttp.Do(&mrthttp.Request{Path: "/nope"}).Status; got != 404 {
		t.Errorf("unknown path: got %d; want 404", got)
	}
}
