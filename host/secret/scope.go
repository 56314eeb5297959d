package secret

import (
	"fmt"
	"slices"
	"strings"
)

// errPolicy is ErrForbidden by a scope, not by the store.
var errPolicy error = &kind{text: "access denied by policy", permanent: true, of: ErrForbidden}

// Scope says which secrets of one store apps may read: one of spec.secrets.scopes of Dapr's Configuration. It has
// nothing to say about the secretKeyRefs of components.
type Scope struct {
	// Store is the component's name.
	Store string
	// DefaultAccess is "allow" (also when empty) or "deny": for secrets that are in neither list.
	DefaultAccess string
	// Allowed, when not empty, are the only secrets that may be read; Denied and DefaultAccess do not count then.
	Allowed []string
	// Denied are secrets that may not be read.
	Denied []string
}

// Allows tells whether the scope lets a secret be read. Names are compared as they are.
func (s *Scope) Allows(name string) bool {
	switch {
	case s == nil:
		return true
	case len(s.Allowed) > 0:
		return slices.Contains(s.Allowed, name)
	case slices.Contains(s.Denied, name):
		return false
	default:
		return !strings.EqualFold(s.DefaultAccess, "deny")
	}
}

// check is Allows as an error that says what to change.
func (s *Scope) check(name string) error {
	if s.Allows(name) {
		return nil
	}
	why := "deniedSecrets lists it"
	switch {
	case len(s.Allowed) > 0:
		why = "allowedSecrets does not list it"
	case !slices.Contains(s.Denied, name):
		why = "defaultAccess is deny"
	}
	return fmt.Errorf("%w to get %q from %q: %s (spec.secrets.scopes of the Configuration)", errPolicy, name, s.Store, why)
}

// scopes are those of one store. The manifest should have one a store at most; of several all must allow.
type scopes []Scope

func scopesOf(list []Scope, store string) scopes {
	return slices.DeleteFunc(slices.Clone(list), func(s Scope) bool { return s.Store != store })
}

func (list scopes) check(name string) error {
	for i := range list {
		if err := list[i].check(name); err != nil {
			return err
		}
	}
	return nil
}

// listed gives the names that may be read, sorted; false if there is no list of them.
func (list scopes) listed() ([]string, bool) {
	for i := range list {
		if len(list[i].Allowed) > 0 {
			names := slices.DeleteFunc(slices.Clone(list[i].Allowed), func(name string) bool { return list.check(name) != nil })
			slices.Sort(names)
			return slices.Compact(names), true
		}
	}
	return nil, false
}
