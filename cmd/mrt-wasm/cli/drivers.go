package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// readManifest reads manifests and holds their components against the drivers of this binary, so that a wrong type or
// value is found before anything is built. Unknown metadata fields are warnings, and only if warn is set: a host that
// opens the component warns about them itself.
func readManifest(drivers host.Drivers, paths []string, warn bool) (*manifest.Manifest, error) {
	return manifest.Loader{Components: func(c *manifest.Component, whole bool) manifest.Diagnostics {
		return componentCheck{c, warn, whole}.run(drivers)
	}}.Load(paths...)
}

// componentCheck holds one component against its driver.
type componentCheck struct {
	*manifest.Component
	// warn reports unknown fields; whole tells that nothing of the component could not be read.
	warn, whole bool
}

func (c componentCheck) run(drivers host.Drivers) manifest.Diagnostics {
	switch c.Block() {
	case drivers.State.Kind():
		return checkAgainst(drivers.State, c)
	case drivers.PubSub.Kind():
		return checkAgainst(drivers.PubSub, c)
	case drivers.Secret.Kind():
		return checkAgainst(drivers.Secret, c)
	case drivers.Configuration.Kind():
		return checkAgainst(drivers.Configuration, c)
	case drivers.Lock.Kind():
		return checkAgainst(drivers.Lock, c)
	case drivers.Crypto.Kind():
		return checkAgainst(drivers.Crypto, c)
	case drivers.Binding.Kind():
		return checkAgainst(drivers.Binding, c)
	case drivers.Middleware.Kind():
		return checkAgainst(drivers.Middleware, c)
	}
	return nil // the manifest says itself that the host has no such block
}

func checkAgainst[T any](set component.Set[T], c componentCheck) (found manifest.Diagnostics) {
	report := func(s manifest.Severity, at manifest.Pos, message, suggestion string) {
		found = append(found, manifest.Diagnostic{
			Severity: s, Pos: at, Message: "component " + c.Name() + ": " + message, Suggestion: suggestion,
		})
	}
	spec, ok := set.Lookup(c.Spec.Type)
	switch {
	case !ok:
		report(manifest.Error, c.Spec.At("type"), "this binary has no driver "+c.Spec.Type,
			suggest(c.Spec.Type, set.Types()))
		return found
	case !spec.Supports(c.Spec.Version):
		report(manifest.Error, c.Spec.At("version"), spec.Type+" has no version "+c.Spec.Version,
			manifest.DidYouMean(c.Spec.Version, versions(spec.Versions)))
	}
	fields := spec.Describes()
	if c.warn && spec.Fields != nil && !spec.Further {
		for _, name := range component.Metadata(c.Values()).Unknown(spec.Fields()) {
			report(manifest.Warning, c.FieldPos(name), "metadata field "+name+" is unknown and has no effect",
				manifest.DidYouMean(name, fieldNames(fields)))
		}
	}
	if c.Spec.IgnoreErrors || len(c.Secrets) > 0 {
		return found // the host goes on without it, or there are values that are not known here
	}
	for _, err := range split(spec.Check(component.Config{Metadata: c.Values()})) {
		names := fieldOf(err, fields)
		if _, given := component.Metadata(c.Values()).Get(names...); given || c.whole {
			report(manifest.Error, c.FieldPos(names...), err.Error(), "")
		}
	}
	return found
}

// suggest says what to do about a type that this binary does not have.
func suggest(typ string, have []string) string {
	if _, ok := standard.DaprTypes()[strings.ToLower(typ)]; ok {
		return "the full flavour, mrt-wasm-full, has it: make build-full"
	}
	return manifest.DidYouMean(typ, have)
}

// versions gives the accepted versions of a driver that may name none.
func versions(named []string) []string {
	if len(named) == 0 {
		return []string{"v1"}
	}
	return slices.Clone(named)
}

func fieldNames(fields []component.Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

// fieldOf gives the names of the field that an error of Decode is about.
func fieldOf(err error, fields []component.Field) []string {
	for _, f := range fields {
		rest, ok := strings.CutPrefix(err.Error(), "metadata field "+f.Name)
		if ok && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, " ")) {
			return append([]string{f.Name}, f.Aliases...)
		}
	}
	return nil
}

// split gives the errors that Decode joined.
func split(err error) []error {
	if permanent, ok := errors.AsType[*component.PermanentError](err); ok {
		err = permanent.Err
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
