package pubsub

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// topicScopes are the topics of a component that one app may use.
type topicScopes struct {
	app                string
	allowed, protected []string
	// publish and subscribe are the topics granted to the app; nil when the app is not mentioned.
	publish, subscribe []string
}

// newTopicScopes reads publishingScopes, subscriptionScopes ("app1=t1,t2;app2="), allowedTopics and protectedTopics.
func newTopicScopes(metadata component.Metadata, app string) topicScopes {
	get := func(name string) string {
		text, _ := metadata.Get(name)
		return strings.ReplaceAll(text, " ", "")
	}
	return topicScopes{
		app: app, allowed: list(get("allowedTopics")), protected: list(get("protectedTopics")),
		publish: granted(get("publishingScopes"), app), subscribe: granted(get("subscriptionScopes"), app),
	}
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// granted gives what a scope lists for the app. An app that is listed without topics gets none, which is not nil.
func granted(text, app string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ";") {
		if name, topics, ok := strings.Cut(part, "="); ok && name == app {
			out = append(out, strings.Split(topics, ",")...)
		}
	}
	return out
}

// check tells whether the app may do something to topic; verb and field are for the error.
func (s *topicScopes) check(topic, verb, field string, granted []string) error {
	if len(s.allowed) > 0 && !slices.Contains(s.allowed, topic) {
		return fmt.Errorf("%w: topic %s is not in allowedTopics of the component", ErrForbidden, topic)
	}
	protected := slices.Contains(s.protected, topic)
	if !protected && granted == nil || slices.Contains(granted, topic) {
		return nil
	}
	if protected {
		return fmt.Errorf("%w: topic %s is in protectedTopics, and %s does not let app %s %s it", ErrForbidden, topic, field, s.app, verb)
	}
	return fmt.Errorf("%w: %s does not let app %s %s topic %s", ErrForbidden, field, s.app, verb, topic)
}

func (s *topicScopes) mayPublish(topic string) error {
	return s.check(topic, "publish to", "publishingScopes", s.publish)
}

func (s *topicScopes) maySubscribe(topic string) error {
	return s.check(topic, "subscribe to", "subscriptionScopes", s.subscribe)
}
