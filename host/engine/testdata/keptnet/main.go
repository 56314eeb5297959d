//go:build wasip1

// Command keptnet is a guest with net/http and all that comes with it, for tests of starts that are the same each time.
package main

import (
	"fmt"
	"hash/maphash"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

func main() {}

var (
	mux     = http.NewServeMux()
	total   int64
	client  = &http.Client{Timeout: time.Second}
	seed    = maphash.MakeSeed()
	visits  = map[string]map[uint64]string{}
	page    = template.Must(template.New("page").Parse(`<p>{{.}}</p>`))
	started = time.Now()
)

func init() {
	mux.HandleFunc("POST /deposit/{amount}", func(w http.ResponseWriter, r *http.Request) {
		var amount int64
		if _, err := fmt.Sscan(r.PathValue("amount"), &amount); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		total += amount
		at := fmt.Sprint(time.Since(started))
		if visits[r.URL.Path] == nil {
			visits[r.URL.Path] = map[uint64]string{}
		}
		visits[r.URL.Path][maphash.String(seed, at)] = at
		if err := page.Execute(w, total); err != nil {
			panic(err)
		}
	})
	for n := range 100 {
		visits[fmt.Sprint("/", n)] = map[uint64]string{uint64(n): "start"}
	}
}

// writer is the http.ResponseWriter.
type writer struct {
	header http.Header
	status int
	strings.Builder
}

func (w *writer) Header() http.Header    { return w.header }
func (w *writer) WriteHeader(status int) { w.status = status }

//go:wasmexport mrt:app/warmup
func warmUp() {
	deposit(0)
	for path, m := range visits { // in an order of its own each time
		if len(m) > 0 && strings.HasSuffix(path, "7") {
			visits[path+"/seen"] = m
			break
		}
	}
	_ = client
}

//go:wasmexport deposit
func deposit(amount int64) int64 {
	w := &writer{header: http.Header{}}
	u, err := url.Parse(fmt.Sprintf("/deposit/%d", amount))
	if err != nil {
		panic(err)
	}
	mux.ServeHTTP(w, &http.Request{Method: http.MethodPost, URL: u, Host: "test", Body: io.NopCloser(strings.NewReader(""))})
	if !strings.Contains(w.String(), "<p>") {
		panic(fmt.Sprint(w.status, w.String()))
	}
	return total
}

//go:wasmexport balance
func balance() int64 { return total }
