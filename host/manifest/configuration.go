package manifest

import (
	"maps"
	"os"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Configuration holds settings of the host, as Dapr's kind of this name does.
type Configuration struct {
	Header
	Spec ConfigurationSpec `yaml:"spec" doc:"the settings; all are optional"`
}

// ConfigurationSpec is Configuration.spec. What is nil is not set.
type ConfigurationSpec struct {
	Object
	Tracing         *Tracing        `yaml:"tracing" doc:"distributed traces"`
	Metrics         *Metrics        `yaml:"metrics" doc:"Prometheus metrics"`
	Metric          *Metrics        `yaml:"metric" doc:"the older name of metrics"`
	Logging         *Logging        `yaml:"logging" doc:"logs"`
	HTTPPipeline    *Pipeline       `yaml:"httpPipeline" doc:"middleware in front of the API"`
	AppHTTPPipeline *Pipeline       `yaml:"appHttpPipeline" doc:"middleware in front of the apps"`
	MTLS            *MTLS           `yaml:"mtls" doc:"TLS between hosts"`
	Secrets         *SecretsSpec    `yaml:"secrets" doc:"which secrets apps may read"`
	AccessControl   *AccessControl  `yaml:"accessControl" doc:"which apps may invoke what"`
	NameResolution  *NameResolution `yaml:"nameResolution" doc:"how apps on other hosts are found"`
	API             *API            `yaml:"api" doc:"which parts of the API are served"`
	Components      *ComponentsSpec `yaml:"components" doc:"rules for components"`
	Wasm            *WasmSpec       `yaml:"wasm" doc:"rules for wasm components"`
	Features        []Feature       `yaml:"features" doc:"preview features"`
	Workflow        *Workflow       `yaml:"workflow" doc:"limits of workflows"`
}

// Tracing is Configuration.spec.tracing.
type Tracing struct {
	Object
	SamplingRate string  `yaml:"samplingRate" check:"rate" doc:"the part of the traces that is recorded, \"0\" to \"1\""`
	Stdout       *bool   `yaml:"stdout" doc:"print spans"`
	Zipkin       *Zipkin `yaml:"zipkin" doc:"export to Zipkin"`
	Otel         *Otel   `yaml:"otel" doc:"export by OTLP"`
}

// Rate gives the sampling rate, or fallback when none is set.
func (t *Tracing) Rate(fallback float64) float64 {
	if t == nil || t.SamplingRate == "" {
		return fallback
	}
	r, err := strconv.ParseFloat(t.SamplingRate, 64)
	if err != nil {
		return fallback
	}
	return r
}

// Zipkin is Configuration.spec.tracing.zipkin.
type Zipkin struct {
	Object
	EndpointAddress string `yaml:"endpointAddress,required" check:"baseURL" doc:"URL of the collector"`
}

// Otel is Configuration.spec.tracing.otel.
type Otel struct {
	Object
	Protocol        string        `yaml:"protocol" enum:"grpc,http" doc:"OTLP over gRPC or HTTP; default grpc"`
	EndpointAddress string        `yaml:"endpointAddress,required" doc:"host:port of the collector"`
	IsSecure        *bool         `yaml:"isSecure" doc:"use TLS; default true"`
	Headers         []Item        `yaml:"headers" doc:"headers that are added to every export"`
	Timeout         time.Duration `yaml:"timeout,positive" doc:"time for one export; default 10s"`

	// Secrets are the headers whose values a secret store has.
	Secrets []SecretRef
	headers map[string]string
}

// HeaderValues are the headers to add, envRefs resolved. Those with a secretKeyRef are in Secrets instead.
func (o *Otel) HeaderValues() map[string]string { return o.headers }

// Metrics is Configuration.spec.metrics.
type Metrics struct {
	Object
	Enabled                    *bool            `yaml:"enabled" doc:"serve metrics; default true"`
	RecordErrorCodes           *bool            `yaml:"recordErrorCodes" doc:"count error codes; default false"`
	LatencyDistributionBuckets []int            `yaml:"latencyDistributionBuckets" min:"0" doc:"bounds of latency histograms, in milliseconds"`
	HTTP                       *MetricsHTTP     `yaml:"http" doc:"labels of HTTP metrics"`
	Rules                      []MetricsRule    `yaml:"rules" doc:"rewrite labels"`
	Workflow                   *MetricsWorkflow `yaml:"workflow" doc:"workflow metrics"`
}

// MetricsHTTP is Configuration.spec.metrics.http.
type MetricsHTTP struct {
	Object
	IncreasedCardinality *bool    `yaml:"increasedCardinality" doc:"label by path; default false"`
	PathMatching         []string `yaml:"pathMatching" doc:"path patterns that become labels"`
	ExcludeVerbs         *bool    `yaml:"excludeVerbs" doc:"leave out the verb; default false"`
}

// MetricsRule is one of Configuration.spec.metrics.rules.
type MetricsRule struct {
	Object
	Name   string         `yaml:"name,required" doc:"the metric"`
	Labels []MetricsLabel `yaml:"labels" doc:"the labels to rewrite"`
}

// MetricsLabel rewrites one label.
type MetricsLabel struct {
	Object
	Name  string            `yaml:"name,required" doc:"the label"`
	Regex map[string]string `yaml:"regex" check:"regexp" doc:"new value: regular expression of the old value"`
}

// MetricsWorkflow is Configuration.spec.metrics.workflow.
type MetricsWorkflow struct {
	Object
	LatencyDistributionBuckets []int  `yaml:"latencyDistributionBuckets" min:"0" doc:"bounds of latency histograms"`
	LatencyDistributionUnits   string `yaml:"latencyDistributionUnits" doc:"unit of the bounds"`
}

// Logging is Configuration.spec.logging.
type Logging struct {
	Object
	APILogging *APILogging `yaml:"apiLogging" doc:"log every API call"`
}

// APILogging is Configuration.spec.logging.apiLogging.
type APILogging struct {
	Object
	Enabled          *bool `yaml:"enabled" doc:"turn it on; default false"`
	ObfuscateURLs    *bool `yaml:"obfuscateURLs" doc:"log patterns, not paths; default false"`
	OmitHealthChecks *bool `yaml:"omitHealthChecks" doc:"leave out health checks; default false"`
}

// MetricsConfig gives the metrics settings under either name.
func (s *ConfigurationSpec) MetricsConfig() *Metrics {
	if s.Metrics != nil {
		return s.Metrics
	}
	return s.Metric
}

// MetricsEnabled tells whether metrics are served.
func (s *ConfigurationSpec) MetricsEnabled() bool {
	m := s.MetricsConfig()
	return m == nil || m.Enabled == nil || *m.Enabled
}

func (c *Configuration) check(l *load) {
	if t := c.Spec.Tracing; t != nil && t.Otel != nil {
		t.Otel.headers, t.Otel.Secrets = l.items(t.Otel.Headers, "spec.tracing.otel.headers", "")
	}
	if c.Spec.Has("metric") && c.Spec.Has("metrics") {
		l.errorf(c.Spec.At("metric"), "keep metrics", "spec.metric: is the older name of metrics, which is here too")
	}
}

// expand replaces $VAR and ${VAR} in the values of a Configuration, as Dapr does, but each within its value: no
// variable can add fields. An unset variable is empty.
func (d *decoder) expand(n *yaml.Node, env func(string) (string, bool), depth int, done map[*yaml.Node]bool) {
	n = d.enter(n, depth)
	if done[n] {
		return
	}
	done[n] = true
	switch n.Kind {
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			d.expand(n.Content[i], env, depth+1, done)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			d.expand(c, env, depth+1, done)
		}
	case yaml.ScalarNode:
		text := os.Expand(n.Value, func(name string) string {
			v, ok := env(name)
			if !ok {
				d.warnf(d.pos(n), "", "environment variable %s is not set, it is replaced by nothing", shorten(name))
			}
			return v
		})
		if text != n.Value && n.Style == 0 {
			n.Tag = "" // an unquoted value may have become a number or a boolean
		}
		n.Value = text
	default: // enter has followed the alias
	}
}

// merge adds what src sets to dst: what is a struct is merged, everything else replaced.
func merge(dst, src reflect.Value) {
	if dst.Type() == reflect.TypeFor[Object]() {
		mergeObject(dst.Addr().Interface().(*Object), src.Addr().Interface().(*Object))
		return
	}
	for i := range dst.NumField() {
		d, s := dst.Field(i), src.Field(i)
		switch {
		case !d.CanSet() || s.IsZero():
		case d.Kind() == reflect.Struct:
			merge(d, s)
		case d.Kind() == reflect.Pointer && d.Type().Elem().Kind() == reflect.Struct && !d.IsNil():
			fresh := reflect.New(d.Type().Elem()) // the objects that were merged before stay as they are
			fresh.Elem().Set(d.Elem())
			merge(fresh.Elem(), s.Elem())
			d.Set(fresh)
		default:
			d.Set(s)
		}
	}
}

func mergeObject(dst, src *Object) {
	at := make(map[string]Pos, len(dst.at)+len(src.at))
	for _, m := range []map[string]Pos{dst.at, src.at} {
		maps.Copy(at, m)
	}
	dst.Pos, dst.at = src.Pos, at
}
