package manifest

// Subscription delivers a topic to apps. Both of Dapr's versions are read into it.
type Subscription struct {
	Header
	Spec   SubscriptionSpec `yaml:"spec,required" doc:"the topic and where its messages go"`
	Scopes []string         `yaml:"scopes" doc:"the apps that get the messages; all when empty"`
}

// SubscriptionSpec is Subscription.spec.
type SubscriptionSpec struct {
	Object
	Pubsub          string            `yaml:"pubsubname,required" doc:"name of a pubsub.* component"`
	Topic           string            `yaml:"topic,required" doc:"the topic"`
	Routes          Routes            `yaml:"routes" doc:"rules, tried in order, and the default route"`
	DeadLetterTopic string            `yaml:"deadLetterTopic" doc:"gets the messages that are dropped or fail for good"`
	BulkSubscribe   BulkSubscribe     `yaml:"bulkSubscribe" doc:"hand many messages over at once"`
	Metadata        map[string]string `yaml:"metadata" doc:"settings for the broker, for example rawPayload: \"true\""`
}

// Routes say to which path of the app a message goes. A message that no rule matches goes to Default; without one
// it is dropped.
type Routes struct {
	Object
	Rules   []Rule `yaml:"rules" doc:"the first rule that matches wins"`
	Default string `yaml:"default" doc:"path for messages that no rule matches; without it they are dropped"`
}

// Rule is one routing rule.
type Rule struct {
	Object
	Match string `yaml:"match" check:"celEvent" doc:"a CEL expression over event, for example event.data.total > 100; empty matches always"`
	Path  string `yaml:"path,required" doc:"the path"`
}

// BulkSubscribe asks for many messages in one call.
type BulkSubscribe struct {
	Object
	Enabled            bool `yaml:"enabled" doc:"turn it on"`
	MaxMessagesCount   int  `yaml:"maxMessagesCount" default:"100" min:"1" max:"100000" doc:"messages in one call"`
	MaxAwaitDurationMs int  `yaml:"maxAwaitDurationMs" default:"1000" min:"0" max:"3600000" doc:"how long to wait for more, in milliseconds"`
}

func (s *Subscription) check(l *load) {
	r := s.Spec.Routes
	if s.Has("spec") && !s.Spec.broken && !s.Spec.Routes.broken && len(r.Rules) == 0 && r.Default == "" {
		l.errorf(s.Spec.At("routes"), "write routes: {default: /path}", "spec.routes: want rules or a default, found none: every message would be dropped")
	}
}

// subscriptionV1 is the older form; it becomes a Subscription.
type subscriptionV1 struct {
	Header
	Spec   subscriptionSpecV1 `yaml:"spec,required" doc:"the topic and where its messages go"`
	Scopes []string           `yaml:"scopes" doc:"the apps that get the messages; all when empty"`
}

type subscriptionSpecV1 struct {
	Object
	Pubsub          string            `yaml:"pubsubname,required" doc:"name of a pubsub.* component"`
	Topic           string            `yaml:"topic,required" doc:"the topic"`
	Route           string            `yaml:"route,required" doc:"the path"`
	DeadLetterTopic string            `yaml:"deadLetterTopic" doc:"gets the messages that are dropped or fail for good"`
	BulkSubscribe   BulkSubscribe     `yaml:"bulkSubscribe" doc:"hand many messages over at once"`
	Metadata        map[string]string `yaml:"metadata" doc:"settings for the broker"`
}

func (*subscriptionV1) check(*load) {}

// normal gives the same in the newer form.
func (s *subscriptionV1) normal() *Subscription {
	spec := s.Spec
	object := spec.Object
	return &Subscription{Header: s.Header, Scopes: s.Scopes, Spec: SubscriptionSpec{
		Object: object, Pubsub: spec.Pubsub, Topic: spec.Topic,
		Routes:          Routes{Object: Object{Pos: object.At("route")}, Default: spec.Route},
		DeadLetterTopic: spec.DeadLetterTopic, BulkSubscribe: spec.BulkSubscribe, Metadata: spec.Metadata,
	}}
}
