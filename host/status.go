package host

import (
	"context"
	"errors"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abimessaging "github.com/mrt-wasm/mrt-wasm/abi/wasi/messaging"
	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Addrs gives the base URLs of the front door and of the API; empty before Start.
func (h *Host) Addrs() (front, apiURL string) {
	return first(h.blocks.http.Front().URLs()), first(h.api.URLs())
}

func first(urls []string) string {
	if len(urls) == 0 {
		return ""
	}
	return urls[0]
}

// Apps tells of every app, in the manifest's order.
func (h *Host) Apps() []AppStatus {
	out := make([]AppStatus, 0, len(h.names))
	for _, name := range h.names {
		a := h.apps[name]
		s := AppStatus{Name: name, Subscriptions: h.subscriptions(name)}
		if gen := a.current.Load(); gen != nil {
			s.Handles = gen.module.Interfaces()
		}
		if h.servesHTTP(a) {
			s.Routes = routes(a.spec)
		}
		out = append(out, s)
	}
	return out
}

func (h *Host) subscriptions(app string) []string {
	var out []string
	for _, s := range h.opts.Manifest.Subscriptions {
		if len(s.Scopes) > 0 && !slices.Contains(s.Scopes, app) {
			continue
		}
		if a := h.apps[app]; a.Handles(subscriberModule) || a.Handles(abimessaging.IncomingHandlerModule) {
			out = append(out, s.Spec.Pubsub+"/"+s.Spec.Topic)
		}
	}
	return out
}

// servesHTTP tells whether the app handles HTTP requests, in either interface.
func (h *Host) servesHTTP(a *app) bool {
	return slices.ContainsFunc(h.blocks.http.Exports(), a.Handles)
}

// remount gives the front door the apps that serve HTTP now.
func (h *Host) remount(ctx context.Context) error {
	var mounts []http.Mount
	for _, name := range h.names {
		if a := h.apps[name]; h.servesHTTP(a) && len(a.spec.Routes()) > 0 {
			mounts = append(mounts, http.Mount{App: a, Routes: routes(a.spec)})
		}
	}
	return h.blocks.http.Front().Mount(ctx, mounts)
}

// apiApps is what the API server wants to know of the apps.
func (h *Host) apiApps() []api.App {
	h.mu.Lock()
	ready := h.ready
	h.mu.Unlock()
	out := make([]api.App, 0, len(h.names))
	for _, s := range h.Apps() {
		a := api.App{Name: s.Name, Handlers: s.Handles, Routes: s.Routes}
		if !ready {
			a.Err = errors.New("the host is not started, or is stopping")
		}
		out = append(out, a)
	}
	return out
}

// collect gives the pools' figures to /metrics.
func (h *Host) collect(emit func(telemetry.Sample)) {
	for _, name := range h.names {
		gen := h.apps[name].current.Load()
		if gen == nil || gen.pool == nil {
			continue
		}
		s := gen.pool.Stats()
		label := [][2]string{{"app_id", name}}
		gauge := func(name, help string, v float64) {
			emit(telemetry.Sample{Name: name, Help: help, Labels: label, Value: v})
		}
		count := func(name, help string, v uint64) {
			emit(telemetry.Sample{Name: name, Help: help, Counter: true, Labels: label, Value: float64(v)})
		}
		gauge("instances_live", "Instances that exist or are being made.", float64(s.Live))
		gauge("instances_idle", "Instances that wait for a call.", float64(s.Idle))
		gauge("queue_length", "Calls that wait for an instance.", float64(s.Queued))
		count("calls_total", "Calls into the app.", s.Calls)
		count("overloads_total", "Calls that were refused because the queue was full.", s.Overloads)
		count("instances_reset_total", "Calls after which the instance was set back to its image.", s.Resets)
		count("fuel_total", "Fuel that the app's code has used: about the number of its instructions.", s.Fuel)
		count("instances_started_total", "Instances made since the app was loaded.", s.Started)
		for kind := abi.TrapABI; kind <= abi.TrapHost; kind++ {
			emit(telemetry.Sample{
				Name: "traps_total", Help: "Calls that ended in a trap.", Counter: true,
				Labels: [][2]string{{"app_id", name}, {"kind", kind.String()}}, Value: float64(s.Traps[kind]),
			})
		}
	}
	h.collectPolicies(emit)
	h.collectActors(emit)
}

// collectPolicies gives what the Resiliency policies did.
func (h *Host) collectPolicies(emit func(telemetry.Sample)) {
	for _, c := range h.policies.Counts() {
		labels := [][2]string{{"app_id", c.App}, {"policy", c.Policy}, {"target", c.Target}, {"flow_direction", c.Flow}}
		emit(telemetry.Sample{
			Name: "resiliency_count", Help: "Calls that passed a Resiliency policy.", Counter: true, Labels: labels, Value: float64(c.Calls),
		})
		emit(telemetry.Sample{
			Name: "resiliency_activations_total", Help: "Calls for which a policy did something: tried again, timed out, refused.",
			Counter: true, Labels: labels, Value: float64(c.Activations),
		})
		if c.State != "" {
			emit(telemetry.Sample{
				Name: "resiliency_cb_state", Help: "1 for the state that the circuit breaker is in.",
				Labels: append(labels, [2]string{"status", c.State}), Value: 1,
			})
		}
	}
}
