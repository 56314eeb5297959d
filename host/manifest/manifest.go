// Package manifest reads what a host runs: App objects and Dapr's Component, Subscription, Configuration,
// Resiliency and HTTPEndpoint, from YAML files into typed structs.
//
// Every error has file, line and column, and all errors are found at once. Unknown fields, wrong types and names
// that nothing has are errors; what is read and has no effect in this version is a warning (see notYet). Reading
// has no side effects: nothing but the files, the names in the folders of sources, and the environment is looked at.
//
// The fields are declared once, by struct tags; the decoder, the JSON schema and the tables of docs/manifest.md
// come from them.
package manifest

import (
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Manifest is everything that the files declare, in the order read.
type Manifest struct {
	Apps           []*App
	Components     []*Component
	Subscriptions  []*Subscription
	Configurations []*Configuration
	Resiliencies   []*Resiliency
	HTTPEndpoints  []*HTTPEndpoint
	// Files are the files that were read.
	Files []string
	// Warnings are to be shown to the user.
	Warnings Diagnostics

	merged Configuration
}

// Configuration is the spec of all Configurations merged: a later one overrides what it sets.
func (m *Manifest) Configuration() *ConfigurationSpec { return &m.merged.Spec }

// App gives an app by name, or nil.
func (m *Manifest) App(name string) *App {
	return find(m.Apps, name)
}

// Component gives a component by name, or nil.
func (m *Manifest) Component(name string) *Component {
	return find(m.Components, name)
}

// AppNames are the names of the apps.
func (m *Manifest) AppNames() []string { return namesOf(m.Apps) }

// ComponentsOf gives the components of one block, for example "state".
func (m *Manifest) ComponentsOf(block string) []*Component {
	var out []*Component
	for _, c := range m.Components {
		if c.Block() == block {
			out = append(out, c)
		}
	}
	return out
}

// Loader reads manifests. The zero value is ready to use.
type Loader struct {
	// Env looks up environment variables; nil means those of the process.
	Env func(name string) (value string, ok bool)
	// Components says what only the drivers know of a component, for example that there is none of its type; nil
	// leaves that to whoever opens it. whole is false when the document has errors, so that what seems to be missing
	// may be what could not be read.
	Components func(c *Component, whole bool) Diagnostics
}

// Load reads files and folders: of a folder its .yaml and .yml files, not those of folders in it, in order of their
// names. The error is a Diagnostics with all errors and warnings; Manifest is nil then.
func Load(paths ...string) (*Manifest, error) { return Loader{}.Load(paths...) }

// Load is Load with the Loader's settings.
func (ld Loader) Load(paths ...string) (*Manifest, error) {
	l := ld.start()
	return l.finish(l.read(paths))
}

// Parse reads manifests from memory.
func (ld Loader) Parse(sources ...Source) (*Manifest, error) {
	return ld.start().finish(sources)
}

func (ld Loader) start() *load {
	if ld.Env == nil {
		ld.Env = os.LookupEnv
	}
	return &load{env: ld.Env, components: ld.Components, m: &Manifest{}}
}

// load is one run of a Loader.
type load struct {
	report
	env        func(string) (string, bool)
	components func(c *Component, whole bool) Diagnostics
	m          *Manifest
	// lost tells that a document could not be read, so that names may be missing that it declares.
	lost bool
	// visited counts values against maxTotal; documents counts documents against maxDocuments.
	visited, documentCount int
	// before is how many diagnostics there were when the document at hand began.
	before int
}

// maxDocuments bounds a load.
const maxDocuments = 5000

func (l *load) finish(sources []Source) (*Manifest, error) {
	for _, src := range sources {
		l.files = append(l.files, src.Name)
		l.m.Files = append(l.m.Files, src.Name)
		for _, doc := range l.documents(src) {
			if l.documentCount++; l.documentCount == maxDocuments+1 {
				l.lost = true
				l.errorf(Pos{src.Name, doc.offset + 1, 1}, "", "the manifest has more than %d documents", maxDocuments)
			}
			if l.documentCount <= maxDocuments {
				l.document(src, doc)
			}
		}
	}
	l.mergeConfigurations()
	l.crossCheck()
	list := l.sorted()
	if len(list.Errors()) > 0 {
		return nil, list
	}
	l.m.Warnings = list
	return l.m, nil
}

// document reads one document.
func (l *load) document(src Source, doc document) {
	if l.visited > maxTotal {
		return // reported
	}
	l.before = len(l.list)
	d := &decoder{report: &l.report, total: &l.visited, file: src.Name, offset: doc.offset}
	var res resource
	ok := d.run(func() {
		k, found := l.kindOf(d, doc.node, src.folder)
		if !found {
			return
		}
		d.kind = k.name
		if k.name == "Configuration" {
			d.expand(doc.node, l.env, 0, map[*yaml.Node]bool{})
		}
		r := k.make()
		d.root = reflect.TypeOf(r).Elem()
		d.value(doc.node, reflect.ValueOf(r).Elem(), place{})
		res = r
	})
	if !ok {
		l.lost = true
	}
	if res == nil || !l.inNamespace(res.header()) {
		return
	}
	if d.kind != "App" && res.header().Name() != "" {
		l.reportIf(res.header().NamePos(), "metadata.name", checkSegment(res.header().Name()))
	}
	res.check(l)
	d.pendings(res.header())
	l.add(res)
}

func (l *load) add(res resource) {
	switch r := res.(type) {
	case *App:
		l.m.Apps = append(l.m.Apps, r)
	case *Component:
		l.m.Components = append(l.m.Components, r)
	case *Subscription:
		l.m.Subscriptions = append(l.m.Subscriptions, r)
	case *subscriptionV1:
		l.m.Subscriptions = append(l.m.Subscriptions, r.normal())
	case *Configuration:
		l.m.Configurations = append(l.m.Configurations, r)
	case *Resiliency:
		l.m.Resiliencies = append(l.m.Resiliencies, r)
	case *HTTPEndpoint:
		l.m.HTTPEndpoints = append(l.m.HTTPEndpoints, r)
	}
}

// inNamespace tells whether an object is for this host: as in Dapr, NAMESPACE selects.
func (l *load) inNamespace(h *Header) bool {
	mine, _ := l.env("NAMESPACE")
	theirs := h.Metadata.Namespace
	if mine == "" || theirs == "" || mine == theirs {
		return true
	}
	l.warnf(h.Metadata.At("namespace"), "", "%s %s is of namespace %s and left out, for NAMESPACE is %s", h.Kind, h.Name(), theirs, mine)
	return false
}

// kindOf tells what a document is, from apiVersion and kind. It reports what is not ours.
func (l *load) kindOf(d *decoder, n *yaml.Node, folder bool) (kind, bool) {
	n = d.enter(n, 0)
	if n.Kind != yaml.MappingNode {
		l.notOurs(d, n, folder, "want a mapping with apiVersion and kind, found %s", found(n))
		return kind{}, false
	}
	var version, name *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch key := d.enter(n.Content[i], 0); {
		case strings.EqualFold(key.Value, "apiVersion"):
			version = d.enter(n.Content[i+1], 0)
		case strings.EqualFold(key.Value, "kind"):
			name = d.enter(n.Content[i+1], 0)
		}
	}
	switch {
	case version == nil && name == nil:
		l.notOurs(d, n, folder, "the document has no apiVersion and kind")
		return kind{}, false
	case version == nil || name == nil:
		missing, hint := "kind", didYouMean("", kindNames())
		if version == nil {
			missing, hint = "apiVersion", versionHint(name.Value)
		}
		l.lost = true
		d.errorf(d.pos(n), hint, "%s is missing", missing)
		return kind{}, false
	case version.Kind != yaml.ScalarNode || name.Kind != yaml.ScalarNode:
		l.lost = true
		at := version
		if version.Kind == yaml.ScalarNode {
			at = name
		}
		d.errorf(d.pos(at), "", "want text for apiVersion and kind, found %s", found(at))
		return kind{}, false
	}
	return l.pickKind(d, version, name)
}

func (l *load) notOurs(d *decoder, n *yaml.Node, folder bool, format string, args ...any) {
	if folder { // other tools keep YAML in the same folder
		d.warnf(d.pos(n), "", "not a manifest, left out: "+format, args...)
		return
	}
	l.lost = true
	d.errorf(d.pos(n), "", format, args...)
}

// pickKind finds the kind, or reports why there is none: a misspelling is an error, a kind of others a warning.
func (l *load) pickKind(d *decoder, version, name *yaml.Node) (kind, bool) {
	group, _, _ := strings.Cut(version.Value, "/")
	ours := group == "dapr.io" || group == "mrt-wasm.dev"
	var versions []string
	for _, k := range kinds() {
		if k.name == name.Value && k.version == version.Value {
			return k, true
		}
		if k.name == name.Value {
			versions = append(versions, k.version)
		}
	}
	near := closest(name.Value, kindNames())
	switch {
	case len(versions) > 0 && (ours || closest(version.Value, versions) != "" || closest(group, []string{"dapr.io", "mrt-wasm.dev"}) != ""):
		l.lost = true
		d.errorf(d.pos(version), versionHint(name.Value), "kind %s has no apiVersion %q", name.Value, shorten(version.Value))
	case ours && near != "":
		l.lost = true
		d.errorf(d.pos(name), "did you mean "+quote(near)+"?", "there is no kind %q", shorten(name.Value))
	case group == "mrt-wasm.dev":
		l.lost = true
		d.errorf(d.pos(name), didYouMean(name.Value, []string{"App"}), "%s has no kind %q", version.Value, shorten(name.Value))
	default:
		d.warnf(d.pos(name), "", "kind %s of %s is not known to this version and left out", shorten(name.Value), shorten(version.Value))
	}
	return kind{}, false
}

func versionHint(name string) string {
	var versions []string
	for _, k := range kinds() {
		if k.name == name {
			versions = append(versions, k.version)
		}
	}
	if len(versions) == 0 {
		return ""
	}
	return "write " + strings.Join(versions, " or ")
}

func kindNames() []string {
	var out []string
	for _, k := range kinds() {
		if !slices.Contains(out, k.name) {
			out = append(out, k.name)
		}
	}
	return out
}

// mergeConfigurations makes the one Configuration that counts.
func (l *load) mergeConfigurations() {
	merged := &l.m.merged
	for _, c := range l.m.Configurations {
		merge(reflect.ValueOf(merged).Elem(), reflect.ValueOf(c).Elem())
	}
	if t := merged.Spec.Tracing; t != nil && t.Otel != nil {
		t.Otel.headers, t.Otel.Secrets = l.items(t.Otel.Headers, "spec.tracing.otel.headers", "")
	}
}
