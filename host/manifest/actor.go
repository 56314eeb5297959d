package manifest

import (
	"slices"
	"strings"
	"time"
)

// ActorType is one of App.spec.actors.
type ActorType struct {
	Object
	Type          string        `yaml:"type,required" check:"actorType" doc:"the actor type's name"`
	IdleTimeout   time.Duration `yaml:"idleTimeout,positive" default:"60m" doc:"an actor not called for this long is put away"`
	Hibernate     string        `yaml:"hibernate" enum:"auto,never" default:"auto" doc:"auto: an actor that is put away keeps its memory, compressed in the actor state store; never: it is deactivated and its memory lost"`
	Atomic        bool          `yaml:"atomic" doc:"a failed turn also undoes what it did to the actor's memory"`
	Reentrancy    bool          `yaml:"reentrancy" doc:"a call chain may enter the actor that it came from; not for components, whose instances cannot be entered again"`
	MaxStackDepth int           `yaml:"maxStackDepth" default:"32" min:"1" max:"1024" doc:"how many actors deep a call chain may be"`
	Mailbox       int           `yaml:"mailbox" default:"256" min:"1" max:"1048576" doc:"calls that wait for one actor's turn; more are refused (503)"`
	MaxActive     int           `yaml:"maxActive" default:"0" min:"0" max:"1000000" doc:"actors of the type in memory at one time, beyond which those idle longest are put away; 0: as many as the system has room for"`
	DrainTimeout  time.Duration `yaml:"drainTimeout,positive" default:"60s" doc:"how long running turns have when the host stops or the app's code is replaced"`
}

// actorStoreField marks the state component that has the state of actors.
const actorStoreField = "actorStateStore"

// ActorStore is the state component that has the state of actors; nil when none is marked.
func (m *Manifest) ActorStore() *Component {
	for _, c := range m.ComponentsOf("state") {
		if c.isActorStore() {
			return c
		}
	}
	return nil
}

func (c *Component) isActorStore() bool {
	for name, value := range c.values {
		if strings.EqualFold(name, actorStoreField) {
			return slices.Contains([]string{"true", "yes", "y", "1", "t", "on"}, strings.ToLower(strings.TrimSpace(value)))
		}
	}
	return false
}

// checkActors reports types that an app has twice.
func (a *App) checkActors(l *load) {
	seen := map[string]bool{}
	for i, actor := range a.Spec.Actors {
		if actor.Type != "" && seen[actor.Type] {
			l.errorf(actor.At("type"), "", "spec.actors[%d].type: %q is here a second time", i, actor.Type)
		}
		seen[actor.Type] = true
	}
}

// actors reports actor types that two apps have, and a store for them that is not one.
func (l *load) actors() {
	store := l.m.ActorStore()
	for _, c := range l.m.ComponentsOf("state") {
		if c.isActorStore() && c != store {
			l.errorf(c.FieldPos(actorStoreField), "mark one of them", "component %s is marked actorStateStore, as is component %s at %s: all actors of a host have one store",
				c.Name(), store.Name(), store.FieldPos(actorStoreField))
		}
	}
	first := map[string]*App{}
	for _, a := range l.m.Apps {
		for _, t := range a.Spec.Actors {
			if other := first[t.Type]; other != nil && other != a {
				l.errorf(t.At("type"), "", "app %s has actor type %s, which app %s has: a type belongs to one app", a.Name(), quote(t.Type), other.Name())
			}
			first[t.Type] = a
		}
		if store != nil && len(a.Spec.Actors) > 0 && len(store.Scopes) > 0 && !slices.Contains(store.Scopes, a.Name()) {
			l.errorf(a.Spec.Actors[0].At("type"), "add the app to the component's scopes", "app %s has actors, and component %s, which has their state, is not for it (scopes)", a.Name(), store.Name())
		}
	}
}
