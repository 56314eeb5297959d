package manifest

import "strings"

// pending is a field, or a value of it, that is read and checked but not acted on by this version. A row goes away
// when the feature comes.
type pending struct {
	kind string
	// path of the field; a row stands for everything below it.
	path string
	// value limits the row to one value; empty means any.
	value string
	// refuse makes it an error: to go on without it would be wrong.
	refuse bool
	// what says what has no effect, and what happens instead.
	what string
}

// notYet is the one list of what is parsed and has no effect.
func notYet() []pending {
	return []pending{
		{kind: "App", path: "spec.source.oci", refuse: true, what: "apps from a registry are not available yet; use go or wasm"},
		{kind: "Configuration", path: "spec.tracing.zipkin", what: "export to Zipkin is not available; use otel"},
		{kind: "Configuration", path: "spec.metrics.enabled"},
		{kind: "Configuration", path: "spec.metrics.recordErrorCodes"},
		{kind: "Configuration", path: "spec.metrics.latencyDistributionBuckets"},
		{kind: "Configuration", path: "spec.metrics.http"},
		{kind: "Configuration", path: "spec.metrics.rules"},
		{kind: "Configuration", path: "spec.metrics.workflow"},
		{kind: "Configuration", path: "spec.metric.enabled"},
		{kind: "Configuration", path: "spec.metric.recordErrorCodes"},
		{kind: "Configuration", path: "spec.metric.latencyDistributionBuckets"},
		{kind: "Configuration", path: "spec.metric.http"},
		{kind: "Configuration", path: "spec.metric.rules"},
		{kind: "Configuration", path: "spec.metric.workflow"},
		{kind: "Configuration", path: "spec.logging"},
		{kind: "Configuration", path: "spec.mtls"},
		{kind: "Configuration", path: "spec.accessControl", what: "access policies are not enforced yet: every app may invoke every app"},
		{kind: "Configuration", path: "spec.nameResolution", what: "apps are found in this process only"},
		{kind: "Configuration", path: "spec.api", what: "the API is not restricted yet"},
		{kind: "Configuration", path: "spec.wasm"},
		{kind: "Configuration", path: "spec.features"},
		{kind: "Configuration", path: "spec.workflow", what: "workflows are not available yet"},
	}
}

// pendings reports what a document has of the list.
func (d *decoder) pendings(h *Header) {
	for _, row := range notYet() {
		if row.kind != d.kind {
			continue
		}
		for _, m := range d.mentions {
			if m.path != row.path || row.value != "" && !strings.EqualFold(m.value, row.value) {
				continue
			}
			what := row.what
			if what == "" {
				what = "has no effect yet"
			}
			if row.refuse {
				d.errorf(m.at, "", "%s: %s: %s", h.title(), row.path, what)
			} else {
				d.warnf(m.at, "", "%s: %s: %s", h.title(), row.path, what)
			}
			break
		}
	}
}
