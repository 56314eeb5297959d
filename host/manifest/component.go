package manifest

import (
	"slices"
	"strings"
	"time"
)

// Component declares a backing service, as Dapr's kind of this name does.
type Component struct {
	Header
	Spec   ComponentSpec `yaml:"spec,required" doc:"the driver and its settings"`
	Auth   Auth          `yaml:"auth" doc:"where secretKeyRefs are looked up"`
	Scopes []string      `yaml:"scopes" doc:"the apps that may use it; all when empty"`

	// Secrets are the fields whose values a secret store has.
	Secrets []SecretRef
	values  map[string]string
}

// ComponentSpec is Component.spec.
type ComponentSpec struct {
	Object
	Type         string        `yaml:"type,required" check:"componentType" doc:"the driver, <block>.<name>, for example state.redis"`
	Version      string        `yaml:"version" default:"v1" doc:"the driver's version"`
	IgnoreErrors bool          `yaml:"ignoreErrors" doc:"start the host without it when it fails to start"`
	InitTimeout  time.Duration `yaml:"initTimeout,positive" default:"5s" doc:"how long it may take to start"`
	Metadata     []Item        `yaml:"metadata" doc:"the driver's fields; names compare without case"`
}

// Item is a named value: a component's field, or a header.
type Item struct {
	Object
	Name         string        `yaml:"name,required" doc:"the field's name"`
	Value        Value         `yaml:"value" doc:"the value; tags {appID}, {namespace}, {podName} and {uuid} are replaced"`
	SecretKeyRef *SecretKeyRef `yaml:"secretKeyRef" doc:"a secret instead of a value"`
	EnvRef       string        `yaml:"envRef" doc:"an environment variable of the host instead of a value; not APP_API_TOKEN, DAPR_* or names with spaces"`
}

// SecretKeyRef names one value in a secret store.
type SecretKeyRef struct {
	Object
	Name string `yaml:"name,required" doc:"the secret's name"`
	Key  string `yaml:"key" doc:"the key in the secret; the secret's name when missing"`
}

// Auth names a secret store.
type Auth struct {
	Object
	SecretStore string `yaml:"secretStore" doc:"name of a secretstores.* component"`
}

// SecretRef is a value that a secret store has to give.
type SecretRef struct {
	// Field is the name of the metadata field or header.
	Field string
	// Store is the secret store's component name; empty when none is named.
	Store string
	// Name and Key say which secret.
	Name, Key string
	// Pos is where the reference stands.
	Pos Pos
}

// Block is the first part of the type, in lower case: "state" of "state.redis".
func (c *Component) Block() string {
	block, _, _ := strings.Cut(strings.ToLower(c.Spec.Type), ".")
	return block
}

// Values are the driver's fields as text, envRefs resolved and tags such as {appID} left in place. Fields with a
// secretKeyRef are in Secrets instead.
func (c *Component) Values() map[string]string { return c.values }

// FieldPos is where the field of spec.metadata with one of the names stands: its value, or its name if it has none.
// For a field that is not there it is the place of the type.
func (c *Component) FieldPos(names ...string) Pos {
	for _, it := range c.Spec.Metadata {
		named := func(name string) bool { return strings.EqualFold(it.Name, name) }
		switch {
		case !slices.ContainsFunc(names, named):
		case it.Has("value"):
			return it.At("value")
		default:
			return it.At("name")
		}
	}
	return c.Spec.At("type")
}

// blocks are the first parts of Dapr's component types, and which of them this host has.
func blocks() map[string]bool {
	return map[string]bool{
		"state": true, "pubsub": true, "bindings": true, "configuration": true, "secretstores": true, "middleware": true, "lock": true,
		"crypto": true, "conversation": false, "nameresolution": false,
	}
}

func (c *Component) check(l *load) {
	c.values, c.Secrets = l.items(c.Spec.Metadata, "spec.metadata", c.Auth.SecretStore)
	if has, known := blocks()[c.Block()]; known && !has {
		l.warnf(c.Spec.At("type"), "", "component %s: %s components are not used by this version", c.Name(), c.Block())
	}
	if l.components != nil && c.Spec.Type != "" {
		l.list = append(l.list, l.components(c, len(l.list[l.before:].Errors()) == 0)...)
	}
}

// items resolves named values: their text, and those that a secret store has to give.
func (l *load) items(items []Item, path, store string) (map[string]string, []SecretRef) {
	values, first := map[string]string{}, map[string]Pos{}
	var secrets []SecretRef
	for i, it := range items {
		show := element(path, i)
		if it.broken {
			continue
		}
		low := strings.ToLower(it.Name)
		if at, dup := first[low]; dup && low != "" {
			l.errorf(it.At("name"), "", "%s.name: %q is here a second time, first at line %d", show, it.Name, at.Line)
			continue
		}
		first[low] = it.At("name")
		var given []string
		for _, f := range []string{"value", "secretKeyRef", "envRef"} {
			if it.Has(f) {
				given = append(given, f)
			}
		}
		switch {
		case len(given) == 0:
			l.errorf(it.Pos, "", "%s: %q has no value; want one of value, secretKeyRef, envRef", show, it.Name)
		case len(given) > 1:
			l.errorf(it.At(given[1]), "keep one of them", "%s: want one of value, secretKeyRef, envRef, found %s", show, strings.Join(given, " and "))
		case it.EnvRef != "":
			values[it.Name] = l.envRef(it.At("envRef"), show+".envRef", it.EnvRef)
		case it.SecretKeyRef != nil:
			secrets = append(secrets, secretRef(it.Name, store, it.SecretKeyRef))
		default:
			values[it.Name] = it.Value.Text
		}
	}
	return values, secrets
}

// secret gives what a secret store has to give.
func secretRef(field, store string, k *SecretKeyRef) SecretRef {
	ref := SecretRef{field, store, k.Name, k.Key, k.Pos}
	if ref.Key == "" {
		ref.Key = ref.Name
	}
	return ref
}

// envRef gives the value of an environment variable of the host, if a manifest may read it.
func (l *load) envRef(at Pos, show, name string) string {
	if name == "APP_API_TOKEN" || strings.HasPrefix(strings.ToUpper(name), "DAPR_") || strings.ContainsAny(name, " \t\n=\x00") {
		l.errorf(at, "", "%s: %q may not be read: APP_API_TOKEN, DAPR_* and names with spaces are refused", show, shorten(name))
		return ""
	}
	value, ok := l.env(name)
	if !ok {
		l.warnf(at, "", "%s: environment variable %s is not set, the value is empty", show, name)
	}
	return value
}

// checkType checks a component's type.
func checkType(text string) error {
	block, name, _ := strings.Cut(strings.ToLower(text), ".")
	all := sortedKeys(blocks())
	if !slices.Contains(all, block) {
		return &hintError{"want a type <block>.<name>, found " + quote(text), didYouMean(block, all), 0}
	}
	if name == "" || strings.ContainsAny(name, " /\\\"'") {
		return &hintError{"want a type <block>.<name>, found " + quote(text), "for example " + block + ".in-memory", 0}
	}
	return nil
}
