package secret

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Ref is a secretKeyRef of the manifest.
type Ref struct {
	// Field is what gets the value: a metadata field, a header, a part of TLS.
	Field string
	// Store is the secret store's name (auth.secretStore); empty when none is named.
	Store string
	// Name and Key say which secret; an empty key is the secret's name.
	Name, Key string
	// Where is file:line:column, for errors.
	Where string
}

func (r Ref) failed(owner string, err error) error {
	return fmt.Errorf("%s: %s: %s: %w", r.Where, owner, r.Field, err)
}

// ErrNoStore says that a secretKeyRef names no secret store, or one that is not there.
var ErrNoStore = errors.New("no secret store")

func unknownStore(owner string, ref Ref, have []string) error {
	there := "no component of type secretstores.* is declared"
	if len(have) > 0 {
		there = "there are " + strings.Join(have, ", ")
	}
	if ref.Store == "" {
		return ref.failed(owner, fmt.Errorf("%w: the secretKeyRef does not say which; write `auth: {secretStore: NAME}` beside spec: %s", ErrNoStore, there))
	}
	return ref.failed(owner, fmt.Errorf("%w: %q, which auth.secretStore names, is not declared: %s", ErrNoStore, ref.Store, there))
}

// Check tells which references name no store that there is, without reading anything. owner is for the errors, for
// example "component orders-db".
func (r *Resolver) Check(owner string, refs []Ref) error {
	var errs []error
	for _, ref := range refs {
		if _, err := r.storeOf(owner, ref); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Resolve gives the values of references by field. The error has all that cannot be resolved, each with its place. A
// store that does not answer is asked again until ctx ends or timeout is over; a timeout of 0 is the default of
// initTimeout.
func (r *Resolver) Resolve(ctx context.Context, owner string, refs []Ref, timeout time.Duration) (map[string]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if timeout <= 0 {
		timeout = component.DefaultInitTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := make(map[string]string, len(refs))
	read := map[[2]string]Values{} // several keys of one secret are one read
	var errs []error
	for _, ref := range refs {
		value, err := r.value(ctx, owner, ref, read)
		if err != nil {
			errs = append(errs, r.Redact(err))
			continue
		}
		r.known.add(value)
		out[ref.Field] = value
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

// Fill gives a component's declaration with the values of refs in its metadata. The time that it waits for stores is
// the component's initTimeout.
func (r *Resolver) Fill(ctx context.Context, d component.Decl, refs []Ref) (component.Decl, error) {
	values, err := r.Resolve(ctx, "component "+d.Name, refs, d.InitTimeout)
	if err != nil || len(values) == 0 {
		return d, err
	}
	filled := maps.Clone(d.Metadata)
	if filled == nil {
		filled = component.Metadata{}
	}
	maps.Copy(filled, values)
	d.Metadata = filled
	return d, nil
}

// storeOf finds the store of a reference.
func (r *Resolver) storeOf(owner string, ref Ref) (*component.Opened[Store], error) {
	name := ref.Store
	if name == "" && r.embedded != "" {
		name = r.embedded
	}
	for _, s := range r.stores {
		if s.name != name {
			continue
		}
		if o := s.shared(); o != nil {
			return o, nil
		}
		return nil, ref.failed(owner, fmt.Errorf("%w: %s is opened for each app ({appID} or {namespace} in its metadata), so components cannot take secrets from it", ErrNoStore, name))
	}
	return nil, unknownStore(owner, ref, r.names())
}

func (r *Resolver) value(ctx context.Context, owner string, ref Ref, read map[[2]string]Values) (string, error) {
	o, err := r.storeOf(owner, ref)
	if err != nil {
		return "", err
	}
	if o.Err != nil {
		return "", ref.failed(owner, fmt.Errorf("%w: secret store %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err))
	}
	at := [2]string{o.Decl.Name, ref.Name}
	values, ok := read[at]
	if !ok {
		if values, err = patiently(ctx, o.Driver, ref.Name); err != nil {
			return "", ref.failed(owner, fmt.Errorf("secret store %s: %w", o.Decl.Name, err))
		}
		read[at] = values
	}
	key := ref.Key
	if key == "" {
		key = ref.Name
	}
	value, ok := values[key]
	if !ok {
		return "", ref.failed(owner, fmt.Errorf("secret store %s: secret %q has no key %q (secretKeyRef.key); it has %s: %w",
			o.Decl.Name, ref.Name, key, keys(values), ErrNotFound))
	}
	return value, nil
}

// keys lists the keys of a secret.
func keys(values Values) string {
	const most = 10
	list := slices.Sorted(maps.Keys(values))
	switch {
	case len(list) == 0:
		return "no keys"
	case len(list) > most:
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	default:
		return strings.Join(list, ", ")
	}
}

// patiently reads a secret, again and again while the store is unavailable, until ctx ends.
func patiently(ctx context.Context, store Store, name string) (Values, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		values, err := store.Get(ctx, name, nil)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return values, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}
