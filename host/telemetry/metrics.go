package telemetry

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// prefix stands where Dapr has dapr_.
const prefix = "mrt_"

// buckets of latencies in milliseconds. Dapr's begin at 1 ms; a call in one process takes microseconds.
var buckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000}

// metrics makes and keeps the vectors. They are made when the first Point needs them, so that a host shows only
// what it has.
type metrics struct {
	service  string
	registry *prometheus.Registry

	mu         sync.Mutex
	counters   map[string]*prometheus.CounterVec
	histograms map[string]*prometheus.HistogramVec
}

func newMetrics(service string) (*prometheus.Registry, *metrics) {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r, &metrics{
		service: service, registry: r,
		counters: map[string]*prometheus.CounterVec{}, histograms: map[string]*prometheus.HistogramVec{},
	}
}

func (m *metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.counters[name]; ok {
		return v
	}
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	m.registry.MustRegister(v)
	m.counters[name] = v
	return v
}

func (m *metrics) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.histograms[name]; ok {
		return v
	}
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	m.histograms[name] = v
	return v
}

// Registry is the host's own registry, not Prometheus' global one.
func (t *Telemetry) Registry() *prometheus.Registry { return t.registry }

// Handler serves GET /metrics in Prometheus' text format or OpenMetrics.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Registry: t.registry, EnableOpenMetrics: true})
}

// Metrics gives the observer that counts and times every call.
func (t *Telemetry) Metrics() chain.Observer { return metricsObserver{t.metrics} }

type metricsObserver struct{ m *metrics }

// Bind resolves the series of one operation, so that a call looks nothing up. Calls that the HTTP servers count
// themselves, with their status, are not counted twice.
func (o metricsObserver) Bind(op chain.Op) chain.Probe {
	switch {
	case op.Direction == chain.Invoke:
		return o.m.invocation(op)
	case op.Block == apiBlock, op.Block == "http" && op.Direction == chain.Inbound:
		return nil
	case op.Block == "http":
		return o.m.httpClient(op)
	default:
		return o.m.component(op)
	}
}

// series is how one outcome is counted and timed.
type series struct {
	count   []prometheus.Counter
	latency prometheus.Observer
}

func (s *series) observe(elapsed time.Duration) {
	for _, c := range s.count {
		c.Inc()
	}
	s.latency.Observe(float64(elapsed) / float64(time.Millisecond))
}

// probe counts at the begin and at the end of calls of one operation.
type probe struct {
	begin    []prometheus.Counter
	ok, fail series
	traps    *prometheus.CounterVec // nil where no app is called
	app      string
}

// Begin counts what is counted before the outcome is known.
func (p *probe) Begin(ctx context.Context) context.Context {
	for _, c := range p.begin {
		c.Inc()
	}
	return ctx
}

// End counts and times the outcome.
func (p *probe) End(_ context.Context, elapsed time.Duration, err error) {
	if err == nil {
		p.ok.observe(elapsed)
		return
	}
	p.fail.observe(elapsed)
	if p.traps != nil {
		countTrap(p.traps, p.app, err)
	}
}

// componentNames maps a block and direction to Dapr's metric where that is not component/<block>.
func componentName(op chain.Op) string {
	inbound := op.Direction == chain.Inbound
	switch {
	case op.Block == "pubsub":
		name := "pubsub_egress"
		if inbound {
			name = "pubsub_ingress"
		}
		if strings.Contains(strings.ToLower(op.Name), "bulk") {
			return name + "_bulk"
		}
		return name
	case op.Block == "binding" && inbound:
		return "input_binding"
	case op.Block == "binding":
		return "output_binding"
	default:
		return strings.ReplaceAll(op.Block, "-", "_")
	}
}

// component counts calls to a component, and deliveries of one to an app.
func (m *metrics) component(op chain.Op) chain.Probe {
	name := "component_" + componentName(op)
	app, component := op.App, op.Target
	if app == "" && op.Direction == chain.Inbound { // a trigger without component
		app, component = op.Target, ""
	}
	labels := []string{"app_id", "component", "operation", "success", "type"}
	count := m.counter(name+"_count", "Calls of "+op.Block+" components by app, component, operation and success.", labels...)
	latency := m.histogram(name+"_latencies", "Time of calls of "+op.Block+" components in milliseconds.", labels...)
	outcome := func(success string) series {
		values := []string{app, component, op.Name, success, op.Type}
		return series{[]prometheus.Counter{count.WithLabelValues(values...)}, latency.WithLabelValues(values...)}
	}
	p := &probe{ok: outcome("true"), fail: outcome("false"), app: app}
	if op.Direction == chain.Inbound {
		p.traps = m.traps()
	}
	return p
}

// invocation counts a call from app to app on both sides, as two Dapr sidecars would. The outside is app "".
func (m *metrics) invocation(op chain.Op) chain.Probe {
	const base = "runtime_service_invocation_"
	sent := m.counter(base+"req_sent_total", "Requests sent by service invocation.", "app_id", "dst_app_id", "type")
	received := m.counter(base+"req_recv_total", "Requests received by service invocation.", "app_id", "src_app_id", "type")
	answered := m.counter(base+"res_sent_total", "Responses sent by service invocation.", "app_id", "dst_app_id", "success", "type")
	answers := m.counter(base+"res_recv_total", "Responses received by service invocation.", "app_id", "src_app_id", "success", "type")
	latency := m.histogram(base+"res_recv_latency_ms", "Time from request to response in milliseconds.", "app_id", "src_app_id", "success", "type")
	outcome := func(success string) series {
		return series{[]prometheus.Counter{
			answered.WithLabelValues(op.Target, op.App, success, op.Type),
			answers.WithLabelValues(op.App, op.Target, success, op.Type),
		}, latency.WithLabelValues(op.App, op.Target, success, op.Type)}
	}
	return &probe{
		begin: []prometheus.Counter{
			sent.WithLabelValues(op.App, op.Target, op.Type), received.WithLabelValues(op.Target, op.App, op.Type),
		},
		ok: outcome("true"), fail: outcome("false"), traps: m.traps(), app: op.Target,
	}
}

// httpClient counts requests of an app to the outside; host is the entry of spec.allow.hosts that let it pass.
func (m *metrics) httpClient(op chain.Op) chain.Probe {
	count := m.counter("http_client_completed_count", "Requests of apps to the outside.", "app_id", "host", "success")
	latency := m.histogram("http_client_roundtrip_latency", "Time of requests of apps to the outside in milliseconds.", "app_id", "host", "success")
	outcome := func(success string) series {
		return series{
			[]prometheus.Counter{count.WithLabelValues(op.App, op.Target, success)},
			latency.WithLabelValues(op.App, op.Target, success),
		}
	}
	return &probe{ok: outcome("true"), fail: outcome("false"), app: op.App}
}
