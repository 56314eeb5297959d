package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultPubsub, DefaultState and DefaultSecrets are the names of the embedded components that apps get when the manifest declares
// none of that block.
const (
	DefaultPubsub  = "pubsub"
	DefaultState   = "statestore"
	DefaultSecrets = "secretstore"
)

// crossCheck checks what objects say of each other. When a document was lost, names that it may declare are not
// missed.
func (l *load) crossCheck() {
	unique(l, l.m.Apps)
	unique(l, l.m.Components)
	unique(l, l.m.Subscriptions)
	unique(l, l.m.Configurations)
	unique(l, l.m.Resiliencies)
	unique(l, l.m.HTTPEndpoints)
	l.appsAndEndpoints()
	l.routes()
	l.actors()
	l.secretScopes()
	l.denied()
	l.pipelines()
	if l.lost {
		return
	}
	l.dependencies()
	for _, c := range l.m.Components {
		l.scopes(c, c.Scopes)
		l.secretStore(c.Auth)
	}
	for _, e := range l.m.HTTPEndpoints {
		l.scopes(e, e.Scopes)
		l.secretStore(e.Auth)
	}
	for _, s := range l.m.Subscriptions {
		l.scopes(s, s.Scopes)
		l.pubsubOf(s)
	}
	for _, r := range l.m.Resiliencies {
		l.scopes(r, r.Scopes)
		l.targets(r)
	}
}

// unique reports names that two objects of a kind have.
func unique[T resource](l *load, list []T) {
	first := map[string]*Header{}
	for _, r := range list {
		h := r.header()
		if h.Name() == "" {
			continue
		}
		if other, dup := first[h.Name()]; dup {
			l.errorf(h.NamePos(), "give one of them another name", "%s %s is declared a second time, first at %s", h.Kind, quote(h.Name()), other.NamePos())
			continue
		}
		first[h.Name()] = h
	}
}

// appsAndEndpoints reports names that an app and an HTTPEndpoint share, since both are invoked by name.
func (l *load) appsAndEndpoints() {
	for _, e := range l.m.HTTPEndpoints {
		if a := l.m.App(e.Name()); a != nil && e.Name() != "" {
			l.errorf(e.NamePos(), "give one of them another name", "HTTPEndpoint %s has the name of an app, at %s: an invocation could not tell them apart", quote(e.Name()), a.NamePos())
		}
	}
}

// routes reports routes that two apps have.
func (l *load) routes() {
	type owner struct {
		app string
		at  Pos
	}
	first := map[Route]owner{}
	for _, a := range l.m.Apps {
		for i, r := range a.Routes() {
			at := a.routePos(i)
			other, dup := first[r]
			switch {
			case r.Path == "" || a.Name() == "":
			case !dup:
				first[r] = owner{a.Name(), at}
			case other.app == a.Name() && a.Spec.HTTP != nil:
				l.errorf(at, "", "app %s has route %s a second time, first at %s", a.Name(), r, other.at)
			case other.app != a.Name():
				l.errorf(at, "", "app %s has route %s, which app %s has at %s", a.Name(), r, other.app, other.at)
			}
		}
	}
}

// denied reports components that the Configuration refuses.
func (l *load) denied() {
	rules := l.m.Configuration().Components
	if rules == nil {
		return
	}
	for i, rule := range rules.Deny {
		for _, c := range l.m.Components {
			if typ := c.Spec.Type; strings.EqualFold(rule, typ) || strings.EqualFold(rule, typ+"/"+c.Spec.Version) {
				l.errorf(c.Spec.At("type"), "", "component %s: type %s is refused by the Configuration at %s", c.Name(), typ, rules.At(element("deny", i)))
			}
		}
	}
}

// secretScopes reports scopes for stores that are not there, or that another scope is for.
func (l *load) secretScopes() {
	spec := l.m.Configuration().Secrets
	if spec == nil {
		return
	}
	seen := map[string]bool{}
	for _, s := range spec.Scopes {
		name, at := s.StoreName, s.At("storeName")
		embedded := name == DefaultSecrets && len(l.m.ComponentsOf("secretstores")) == 0
		switch {
		case name == "" || l.lost:
		case seen[name]:
			l.errorf(at, "write one scope with all its lists", "spec.secrets.scopes: store %s is here a second time", quote(name))
		case !embedded && name != "kubernetes" && l.m.Component(name) == nil:
			known := namesOf(l.m.ComponentsOf("secretstores"))
			l.warnf(at, suggestEnum(name, known), "spec.secrets.scopes: no secret store %s is declared", quote(name))
		}
		seen[name] = true
	}
}

// scopes warns of apps that are not in the manifest: they may run elsewhere. A component that is a plugin stands there
// as an app does.
func (l *load) scopes(r resource, scopes []string) {
	apps := l.m.AppNames()
	for _, c := range l.m.Components {
		if len(apps) > 0 && strings.HasSuffix(strings.ToLower(c.Spec.Type), ".wasm") {
			apps = append(apps, c.Name())
		}
	}
	for i, s := range scopes {
		if slices.Contains(apps, s) || len(apps) == 0 {
			continue
		}
		l.warnf(r.object().At(element("scopes", i)), suggestEnum(s, apps), "%s: scopes: no app %s is declared", r.header().title(), quote(s))
	}
}

func (l *load) secretStore(a Auth) {
	if a.SecretStore == "" || a.SecretStore == "kubernetes" || a.SecretStore == DefaultSecrets && len(l.m.ComponentsOf("secretstores")) == 0 {
		return
	}
	l.component(a.At("secretStore"), "auth.secretStore", a.SecretStore, "secretstores")
}

func (l *load) pubsubOf(s *Subscription) {
	name := s.Spec.Pubsub
	if name == "" || l.embedded(name) && l.m.Component(name) == nil {
		return
	}
	l.component(s.Spec.At("pubsubname"), "spec.pubsubname", name, "pubsub")
}

// component checks that a component of a block is declared.
func (l *load) component(at Pos, show, name, block string) {
	c := l.m.Component(name)
	switch {
	case c == nil:
		l.errorf(at, declared(name, block+" component", namesOf(l.m.ComponentsOf(block))), "%s: no component %s is declared", show, quote(name))
	case c.Block() != block && c.Block() != "":
		l.errorf(at, declared("", block+" component", namesOf(l.m.ComponentsOf(block))), "%s: component %s is a %s, want a %s component", show, quote(name), c.Spec.Type, block)
	}
}

// targets checks that the targets and policies that a Resiliency names are there.
func (l *load) targets(r *Resiliency) {
	t := r.Spec.Targets
	for _, name := range sortedKeys(t.Apps) {
		app := t.Apps[name]
		known := append(l.m.AppNames(), namesOf(l.m.HTTPEndpoints)...)
		if !slices.Contains(known, name) && !strings.Contains(name, "://") {
			l.warnf(app.Pos, suggestEnum(name, known), "spec.targets.apps: no app or HTTPEndpoint %s is declared", quote(name))
		}
		l.policies(&app.Object, "apps."+name, app.Timeout, app.Retry, app.CircuitBreaker)
	}
	types := l.actorTypes()
	for _, name := range sortedKeys(t.Actors) {
		actor := t.Actors[name]
		if !slices.Contains(types, name) {
			l.warnf(actor.Pos, suggestEnum(name, types), "spec.targets.actors: no app has actor type %s", quote(name))
		}
		l.policies(&actor.Object, "actors."+name, actor.Timeout, actor.Retry, actor.CircuitBreaker)
	}
	for _, name := range sortedKeys(t.Components) {
		c := t.Components[name]
		if l.m.Component(name) == nil && !l.embedded(name) {
			l.errorf(c.Pos, declared(name, "component", namesOf(l.m.Components)), "spec.targets.components: no component %s is declared", quote(name))
		}
		if p := c.Outbound; p != nil {
			l.policies(&p.Object, "components."+name+".outbound", p.Timeout, p.Retry, p.CircuitBreaker)
		}
		if p := c.Inbound; p != nil {
			l.policies(&p.Object, "components."+name+".inbound", p.Timeout, p.Retry, p.CircuitBreaker)
		}
	}
}

// embedded tells whether a name is that of an embedded component, which is there when none of its block is declared.
func (l *load) embedded(name string) bool {
	return name == DefaultPubsub && len(l.m.ComponentsOf("pubsub")) == 0 || name == DefaultState && len(l.m.ComponentsOf("state")) == 0
}

func (l *load) actorTypes() []string {
	var out []string
	for _, a := range l.m.Apps {
		for _, t := range a.Spec.Actors {
			out = append(out, t.Type)
		}
	}
	return out
}

// policies checks that the policies that a target names are declared by some Resiliency.
func (l *load) policies(at *Object, target, timeout, retry, breaker string) {
	var timeouts, retries, breakers []string
	for _, r := range l.m.Resiliencies {
		p := r.Spec.Policies
		timeouts = append(timeouts, sortedKeys(p.Timeouts)...)
		retries = append(retries, sortedKeys(p.Retries)...)
		breakers = append(breakers, sortedKeys(p.CircuitBreakers)...)
	}
	for _, p := range []struct {
		field, kind, name string
		have              []string
	}{
		{"timeout", "timeout", timeout, timeouts},
		{"retry", "retry policy", retry, retries},
		{"circuitBreaker", "circuit breaker", breaker, breakers},
	} {
		if p.name != "" && !slices.Contains(p.have, p.name) && !strings.HasPrefix(p.name, "DaprBuiltIn") {
			l.errorf(at.At(p.field), declared(p.name, p.kind, p.have), "spec.targets.%s.%s: no %s %s is declared", target, p.field, p.kind, quote(p.name))
		}
	}
}

// reportIf reports err, if there is one, with its suggestion.
func (l *load) reportIf(at Pos, show string, err error) {
	if err == nil {
		return
	}
	l.errorf(at, hintOf(err), "%s: %v", show, err)
}

func find[T resource](list []T, name string) (found T) {
	for _, r := range list {
		if r.header().Name() == name {
			return r
		}
	}
	return found
}

func namesOf[T resource](list []T) []string {
	out := make([]string, 0, len(list))
	for _, r := range list {
		out = append(out, r.header().Name())
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func element(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
