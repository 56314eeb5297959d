package manifest

import "strings"

// The API versions of the kinds.
const (
	AppVersion  = "mrt-wasm.dev/v1alpha1"
	DaprVersion = "dapr.io/v1alpha1"
	DaprV2      = "dapr.io/v2alpha1"
)

// Header is what every kind has.
type Header struct {
	Object
	APIVersion string `yaml:"apiVersion,required" doc:"the kind's version"`
	Kind       string `yaml:"kind,required" doc:"the kind"`
	Metadata   Meta   `yaml:"metadata,required" doc:"the object's name"`
}

// Name is metadata.name.
func (h *Header) Name() string { return h.Metadata.Name }

// NamePos is where metadata.name stands.
func (h *Header) NamePos() Pos { return h.Metadata.At("name") }

// title names the object in messages.
func (h *Header) title() string { return strings.TrimSpace(h.Kind + " " + h.Name()) }

func (h *Header) header() *Header { return h }

// resource is one object of any kind.
type resource interface {
	located
	header() *Header
	// check reports what the tags cannot say about the object by itself.
	check(l *load)
}

// Meta is an object's metadata.
type Meta struct {
	Object
	Name        string            `yaml:"name,required" doc:"name, unique among the objects of its kind"`
	Namespace   string            `yaml:"namespace" doc:"with NAMESPACE set in the environment, objects of other namespaces are left out"`
	Labels      map[string]string `yaml:"labels" doc:"for people and tools; no effect"`
	Annotations map[string]string `yaml:"annotations" doc:"for people and tools; no effect"`
}

// kind describes one kind of object.
type kind struct {
	name, version string
	doc           string
	make          func() resource
}

// kinds lists what is read, in the order of the reference.
func kinds() []kind {
	return []kind{
		{"App", AppVersion, "A WebAssembly app: where it comes from, its routes, limits and rights.", func() resource { return &App{} }},
		{"Component", DaprVersion, "A state store, broker or other backing service.", func() resource { return &Component{} }},
		{"Subscription", DaprV2, "Delivers a topic to apps, by rules.", func() resource { return &Subscription{} }},
		{"Subscription", DaprVersion, "The older form, with one route.", func() resource { return &subscriptionV1{} }},
		{"Configuration", DaprVersion, "Settings of the host. Several are merged in order; `$VAR` and `${VAR}` in values are replaced from the environment.", func() resource { return &Configuration{} }},
		{"Resiliency", DaprVersion, "Timeouts, retries and circuit breakers, and what they are for.", func() resource { return &Resiliency{} }},
		{"HTTPEndpoint", DaprVersion, "An HTTP service elsewhere that is invoked by name.", func() resource { return &HTTPEndpoint{} }},
	}
}
