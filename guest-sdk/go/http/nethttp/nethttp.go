// Package nethttp serves the requests of the host's front door with a net/http handler, for those who have one or
// use a router of that kind. It costs megabytes in the guest: package http, above this one, does not.
//
//	func init() { nethttp.Handle(mux) }
package nethttp

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"

	mrthttp "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

// Handle makes h answer every request of the app.
func Handle(h http.Handler) {
	mrthttp.Handle(func(r *mrthttp.Request) *mrthttp.Response {
		w := &recorder{header: http.Header{}}
		req, err := request(r)
		if err != nil {
			return mrthttp.Error(http.StatusBadRequest, "%v", err)
		}
		h.ServeHTTP(w, req)
		return w.response()
	})
}

func request(r *mrthttp.Request) (*http.Request, error) {
	target := r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, f := range r.Header {
		header.Add(f.Name, f.Value)
	}
	return &http.Request{
		Method: r.Method, URL: u, Host: r.Authority, RequestURI: target, RemoteAddr: r.Remote,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
	}, nil
}

// recorder is the http.ResponseWriter; the whole response is kept until the handler returns.
type recorder struct {
	header http.Header
	sent   http.Header // as it was at WriteHeader
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		if w.header.Get("Content-Type") == "" {
			w.header.Set("Content-Type", http.DetectContentType(p))
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.body.Write(p)
}

// Flush is there for handlers that ask for it; the response goes out when the handler returns.
func (w *recorder) Flush() { w.WriteHeader(http.StatusOK) }

func (w *recorder) response() *mrthttp.Response {
	w.WriteHeader(http.StatusOK)
	resp := &mrthttp.Response{Status: w.status, Body: w.body.Bytes()}
	for name, values := range w.sent {
		for _, v := range values {
			resp.Header.Add(name, v)
		}
	}
	if w.sent.Get("Content-Length") == "" && w.body.Len() > 0 {
		resp.Header.Set("Content-Length", strconv.Itoa(w.body.Len()))
	}
	return resp
}
