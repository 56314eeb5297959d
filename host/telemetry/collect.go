package telemetry

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// traps counts how guests ended badly.
func (m *metrics) traps() *prometheus.CounterVec {
	return m.counter("runtime_app_traps_total", "Calls of apps that ended in a trap, by its kind.", "app_id", "kind")
}

func countTrap(v *prometheus.CounterVec, app string, err error) {
	if trap, ok := errors.AsType[*abi.Trap](err); ok {
		v.WithLabelValues(app, trap.Kind.String()).Inc()
	}
}

// Sample is one value that is read when metrics are scraped, for example the number of instances of an app.
type Sample struct {
	// Name has no prefix: "instances" is shown as mrt_instances. All samples of a name have the same Help and the
	// same label names.
	Name, Help string
	// Counter tells that the value only grows.
	Counter bool
	// Labels are pairs of name and value.
	Labels [][2]string
	Value  float64
}

// Collect adds a function that is called on every scrape; it must be safe for concurrent use and quick. Samples
// that clash are reported in the answer of /metrics.
func (t *Telemetry) Collect(fn func(emit func(Sample))) error {
	if t == nil {
		return nil
	}
	return t.registry.Register(collector(fn))
}

// collector describes nothing beforehand, which Prometheus allows ("unchecked").
type collector func(emit func(Sample))

// Describe is empty: what is collected is not known beforehand.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads all samples.
func (c collector) Collect(out chan<- prometheus.Metric) {
	c(func(s Sample) {
		names, values := make([]string, len(s.Labels)), make([]string, len(s.Labels))
		for i, l := range s.Labels {
			names[i], values[i] = l[0], l[1]
		}
		desc := prometheus.NewDesc(prefix+s.Name, s.Help, names, nil)
		kind := prometheus.GaugeValue
		if s.Counter {
			kind = prometheus.CounterValue
		}
		m, err := prometheus.NewConstMetric(desc, kind, s.Value, values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err)
		}
		out <- m
	})
}

// HTTPRoute counts the requests of one route of an HTTP server: mrt_http_server_request_count, _response_count,
// _request_bytes, _response_bytes and _latency, by method and status.
type HTTPRoute struct {
	m         *metrics
	app, path string
	series    sync.Map // of httpKey to *httpSeries
}

type httpKey struct {
	method string
	status int
}

type httpSeries struct {
	requests, responses, in, out prometheus.Counter
	latency                      prometheus.Observer
}

// HTTPRoute gives the counters of a route; path is its pattern, not the path of a request, so that the number of
// series stays small. It may be called on a nil *Telemetry.
func (t *Telemetry) HTTPRoute(app, path string) *HTTPRoute {
	if t == nil {
		return &HTTPRoute{}
	}
	if app == "" {
		app = t.service
	}
	return &HTTPRoute{m: t.metrics, app: app, path: path}
}

// Observe counts one request with its body sizes in bytes.
func (r *HTTPRoute) Observe(method string, status int, in, out int64, elapsed time.Duration) {
	if r.m == nil {
		return
	}
	s := r.resolve(httpKey{knownMethod(method), status})
	s.requests.Inc()
	s.responses.Inc()
	s.in.Add(float64(max(in, 0)))
	s.out.Add(float64(max(out, 0)))
	s.latency.Observe(float64(elapsed) / float64(time.Millisecond))
}

func (r *HTTPRoute) resolve(key httpKey) *httpSeries {
	if s, ok := r.series.Load(key); ok {
		return s.(*httpSeries)
	}
	values := []string{r.app, key.method, r.path, strconv.Itoa(key.status)}
	counter := func(name, help string) prometheus.Counter {
		return r.m.counter("http_server_"+name, help, "app_id", "method", "path", "status").WithLabelValues(values...)
	}
	s := &httpSeries{
		requests:  counter("request_count", "HTTP requests served."),
		responses: counter("response_count", "HTTP responses sent."),
		in:        counter("request_bytes", "Bytes of HTTP request bodies."),
		out:       counter("response_bytes", "Bytes of HTTP response bodies."),
		latency: r.m.histogram("http_server_latency", "Time of HTTP requests in milliseconds.", "app_id", "method", "path", "status").
			WithLabelValues(values...),
	}
	r.series.Store(key, s)
	return s
}

// knownMethod bounds the number of series: a client may send any word as its method.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return m
	default:
		return "OTHER"
	}
}
