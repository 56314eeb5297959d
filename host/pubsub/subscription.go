package pubsub

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The defaults and limits of subscriptions.
const (
	defaultRetries  = 3
	defaultBulk     = 100
	defaultAwait    = time.Second
	maxBulk         = 1000
	bulkCallsAtOnce = 2
)

// subscription is a declared subscription, checked.
type subscription struct {
	decl   SubscriptionDecl
	routes *routes
	raw    bool
	// receivers are the interfaces beside the contract's by which apps take messages.
	receivers []Receiver
	retries   int // deliveries after the first before a message goes to the dead letter topic
}

func newSubscription(d SubscriptionDecl, receivers []Receiver) (*subscription, error) {
	s := &subscription{decl: d, receivers: receivers, retries: defaultRetries}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: subscription %s: %w", d.Where, d.Name, fmt.Errorf(format, args...)))
	}
	if d.Topic == "" {
		bad("topic is empty")
	}
	if d.DeadLetterTopic != "" && d.DeadLetterTopic == d.Topic {
		bad("deadLetterTopic: want another topic than the subscription's own, found %s", d.Topic)
	}
	if d.Bulk.MaxMessages < 0 || d.Bulk.MaxAwait < 0 {
		bad("bulkSubscribe: want maxMessagesCount and maxAwaitDurationMs of 0 or more")
	}
	var err error
	metadata := component.Metadata(d.Metadata)
	if s.raw, err = truth(metadata, "rawPayload"); err != nil {
		bad("%w", err)
	}
	if text, ok := metadata.Get("maxRetries"); ok {
		if s.retries, err = strconv.Atoi(text); err != nil || s.retries < 0 {
			bad("metadata maxRetries: want 0 or more, found %q", text)
		}
	}
	if s.routes, err = compileRoutes(d); err != nil {
		errs = append(errs, err)
	}
	if s.decl.Bulk.MaxMessages == 0 {
		s.decl.Bulk.MaxMessages = defaultBulk
	}
	s.decl.Bulk.MaxMessages = min(s.decl.Bulk.MaxMessages, maxBulk)
	if s.decl.Bulk.MaxAwait == 0 {
		s.decl.Bulk.MaxAwait = defaultAwait
	}
	return s, errors.Join(errs...)
}

// inBulk tells whether the app gets many messages in one call.
func (s *subscription) inBulk(app block.App) bool {
	return s.decl.Bulk.Enabled && app.Handles(abipubsub.BulkSubscriberModule)
}

// handledBy tells whether the app can take the subscription's messages.
func (s *subscription) handledBy(app block.App) bool {
	return app.Handles(abipubsub.SubscriberModule) || s.inBulk(app) || s.receiver(app) != nil
}

// receiver gives the interface by which the app takes messages if it does not export the contract's; nil for none.
func (s *subscription) receiver(app block.App) *Receiver {
	for i := range s.receivers {
		if app.Handles(s.receivers[i].Interface) {
			return &s.receivers[i]
		}
	}
	return nil
}

func (s *subscription) wants() string {
	want := []string{abipubsub.SubscriberModule}
	if s.decl.Bulk.Enabled {
		want = append(want, abipubsub.BulkSubscriberModule)
	}
	for _, r := range s.receivers {
		want = append(want, r.Interface)
	}
	return strings.Join(want, " or ")
}

// scoped tells whether the subscription is for the app.
func (s *subscription) scoped(app string) bool {
	return len(s.decl.Scopes) == 0 || slices.Contains(s.decl.Scopes, app)
}

// describe gives the subscription as it stands in Dapr's metadata.
func (s *subscription) describe() map[string]any {
	rules := []map[string]any{}
	for _, r := range s.routes.rules {
		rules = append(rules, map[string]any{"match": r.match, "path": r.path})
	}
	if s.routes.fallback != "" {
		rules = append(rules, map[string]any{"match": "", "path": s.routes.fallback})
	}
	out := map[string]any{
		"pubsubname": s.decl.PubSub, "topic": s.decl.Topic, "rules": rules,
		"deadLetterTopic": s.decl.DeadLetterTopic, "type": "DECLARATIVE",
	}
	if len(s.decl.Metadata) > 0 {
		out["metadata"] = s.decl.Metadata
	}
	return out
}
