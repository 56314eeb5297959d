// Package component is the shape of a driver and the one registry of all kinds: a driver folder exports a Spec, a
// list makes a Set of Specs, and a Manager opens what the manifest declares. There is no global registry.
package component

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Spec describes one driver of kind T, for example T = state.Store.
type Spec[T any] struct {
	// Type is Dapr's type name, for example "state.redis".
	Type string
	// Aliases are other names of the type.
	Aliases []string
	// Versions are the accepted spec.version values; empty means only "v1".
	Versions []string
	// Doc is one sentence and, after an empty line, whatever else a user should know.
	Doc string
	// Fields is a pointer to a new zero value of the struct that Config.Decode fills; nil if there are none. Its
	// tags are the documentation of the metadata fields.
	Fields func() any
	// Documented are the metadata fields of a driver that reads them in its own way, in place of Fields.
	Documented []Field
	// Further tells that metadata may have other fields than these: the driver hands them on.
	Further bool
	// New connects. It returns when the component can take calls, or with an error that says what to do; the
	// manager repeats it until the component's initTimeout. ctx bounds the start, not the life.
	New func(ctx context.Context, cfg Config) (T, error)
}

// Config is what a driver gets to open itself.
type Config struct {
	// Name, Type and Version are the component's metadata.name, spec.type and spec.version.
	Name, Type, Version string
	// Metadata are the component's fields with secrets, environment and tags filled in.
	Metadata Metadata
	// App is the app for which the component is opened; empty for one that all apps share.
	App string
	// DataDir is the host's data folder, where embedded drivers keep their files.
	DataDir string
	// Log is for the driver's own lines; credentials never go there.
	Log *slog.Logger
	// Embedded gives the services that run inside the host.
	Embedded Embedded
	// Plugins runs wasm modules; nil in a host without.
	Plugins Plugins
	// InitTimeout is how long a start of the component may take.
	InitTimeout time.Duration
}

// Embedded gives services of the host's process.
type Embedded interface {
	// NATS starts the embedded NATS server with JetStream on first use.
	NATS(ctx context.Context) (InProcess, error)
}

// InProcess opens connections to a server in this process (nats.InProcessServer takes it).
type InProcess interface {
	InProcessConn() (net.Conn, error)
}

// Set is a list of drivers of one kind, by type name.
type Set[T any] struct {
	kind   string
	byType map[string]Spec[T]
	types  []string
}

var typeName = regexp.MustCompile(`^[a-z]+(\.[a-z0-9-]+)+$`)

// NewSet checks the specs and makes a Set. kind is the first part of every type name, for example "state".
func NewSet[T any](kind string, specs ...Spec[T]) (Set[T], error) {
	s := Set[T]{kind: kind, byType: map[string]Spec[T]{}}
	var errs []error
	for _, spec := range specs {
		switch {
		case !typeName.MatchString(spec.Type) || !strings.HasPrefix(spec.Type, kind+"."):
			errs = append(errs, fmt.Errorf("component type %q: want %s.<name> in lower case", spec.Type, kind))
		case spec.Doc == "" || spec.New == nil:
			errs = append(errs, fmt.Errorf("component type %s: Doc and New are needed", spec.Type))
		}
		for _, name := range append([]string{spec.Type}, spec.Aliases...) {
			if _, dup := s.byType[name]; dup {
				errs = append(errs, fmt.Errorf("component type %s is listed twice", name))
			}
			s.byType[name] = spec
		}
		s.types = append(s.types, spec.Type)
	}
	slices.Sort(s.types)
	return s, errors.Join(errs...)
}

// With adds drivers of another collection, for example one that is large and in a binary of its own. A driver that the set
// has already, by type or alias, takes precedence; the added one of the same type is asked when the first one's error says
// that it cannot do what the metadata asks for (ErrElsewhere), or has no such version.
func (s Set[T]) With(specs ...Spec[T]) (Set[T], error) {
	var merged []Spec[T]
	taken := map[string]int{} // name: index in merged
	for _, typ := range s.types {
		spec := s.byType[typ]
		for _, name := range append([]string{spec.Type}, spec.Aliases...) {
			taken[name] = len(merged)
		}
		merged = append(merged, spec)
	}
	for _, spec := range specs {
		i, native := taken[spec.Type]
		if native {
			merged[i] = merged[i].orElse(spec)
		}
		spec.Aliases = slices.DeleteFunc(slices.Clone(spec.Aliases), func(name string) bool {
			_, dup := taken[name]
			return dup
		})
		switch {
		case !native:
			merged = append(merged, spec)
		case len(spec.Aliases) > 0: // names that only the added one has, for what only it is made for
			spec.Type, spec.Aliases = spec.Aliases[0], spec.Aliases[1:]
			merged = append(merged, spec)
		}
	}
	return NewSet(s.kind, merged...)
}

// orElse is spec with another driver of the same type behind it.
func (s Spec[T]) orElse(other Spec[T]) Spec[T] {
	first, versions := s, s.Versions
	if len(versions) == 0 {
		versions = []string{"v1"}
	}
	s.Versions = slices.Clone(versions)
	for _, v := range other.Versions {
		if !slices.Contains(versions, v) {
			s.Versions = append(s.Versions, v)
		}
	}
	s.Further = s.Further || other.Further
	s.New = func(ctx context.Context, cfg Config) (T, error) {
		if !first.Supports(cfg.Version) {
			return other.New(ctx, cfg)
		}
		driver, err := first.New(ctx, cfg)
		if errors.Is(err, ErrElsewhere) && other.Supports(cfg.Version) {
			cfg.Log.Debug("another driver of this type is taken", "because", err)
			return other.New(ctx, cfg)
		}
		return driver, err
	}
	return s
}

// ErrElsewhere is in the error of a driver that cannot do what the metadata asks for, but for which a larger binary may have
// another driver of the same type.
var ErrElsewhere = errors.New("another driver of this type may do it")

// Elsewhere marks err with ErrElsewhere and leaves its text, which says where to go. It is for what the standard binary has no
// libraries for, such as to sign in at a cloud.
func Elsewhere(err error) error { return elsewhere{err} }

type elsewhere struct{ error }

// Is tells that the error is an ErrElsewhere.
func (elsewhere) Is(target error) bool { return target == ErrElsewhere }

// Unwrap gives the cause.
func (e elsewhere) Unwrap() error { return e.error }

// Kind is the first part of the type names, for example "state".
func (s Set[T]) Kind() string { return s.kind }

// Types lists the type names without aliases, sorted.
func (s Set[T]) Types() []string { return slices.Clone(s.types) }

// Lookup finds a driver by type name or alias, without case.
func (s Set[T]) Lookup(typ string) (Spec[T], bool) {
	spec, ok := s.byType[strings.ToLower(typ)]
	return spec, ok
}

// Supports tells whether the spec accepts a spec.version; an empty one is the first.
func (s Spec[T]) Supports(version string) bool {
	if version == "" {
		return true
	}
	if len(s.Versions) == 0 {
		return version == "v1"
	}
	return slices.Contains(s.Versions, version)
}

// Describes gives the metadata fields that the driver documents.
func (s Spec[T]) Describes() []Field {
	if s.Fields == nil {
		return slices.Clone(s.Documented)
	}
	return Fields(s.Fields())
}

// Check holds metadata against the fields, as far as that can be done without the driver.
func (s Spec[T]) Check(cfg Config) error {
	if s.Fields == nil {
		return cfg.Require(s.Documented)
	}
	return cfg.Decode(s.Fields())
}
