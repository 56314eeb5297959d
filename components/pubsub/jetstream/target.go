package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// maxSubject bounds a subject in bytes: a line of the protocol has 4,096, and some carry two.
const maxSubject = 1024

// maxAge is how long created streams keep a message that a consumer group has not acknowledged.
const maxAge = 7 * 24 * time.Hour

// target is where a topic lives at the server.
type target struct{ stream, subject string }

// targets finds, and where it may creates, the stream of each topic.
type targets struct {
	// do bounds a call of the server.
	do func(ctx context.Context, call func(context.Context) error) error
	js jetstream.JetStream
	// stream is the one stream of all topics; empty to look by subject and to create one for each topic.
	stream string
	// prefix stands before every subject of a stream that belongs to this component alone; then topics are escaped
	// and any text is a topic. Without it a topic is the subject as it stands.
	prefix   string
	replicas int
	storage  jetstream.StorageType

	mu    sync.RWMutex
	known map[string]target
}

// subject gives the topic's subject, or ErrInvalidTopic. wild allows NATS's wildcards.
func (t *targets) subject(topic string, wild bool) (string, error) {
	if topic == "" {
		return "", fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	}
	s := topic
	if t.prefix != "" {
		s = t.prefix + escapeTopic(topic)
	} else if why := badSubject(topic, wild); why != "" {
		return "", fmt.Errorf("topic %q: %w: it is a NATS subject on this server, which %s", topic, pubsub.ErrInvalidTopic, why)
	}
	if len(s) > maxSubject {
		return "", fmt.Errorf("topic of %d bytes: %w: want a subject of at most %d", len(topic), pubsub.ErrInvalidTopic, maxSubject)
	}
	return s, nil
}

func badSubject(s string, wild bool) string {
	for token := range strings.SplitSeq(s, ".") {
		switch {
		case token == "":
			return "has no empty parts between dots"
		case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return "has no spaces and no control characters"
		case !wild && (token == "*" || token == ">"):
			return "has no wildcards"
		}
	}
	if strings.HasPrefix(s, "$") || strings.HasPrefix(s, "_INBOX.") {
		return "does not begin with $ or _INBOX"
	}
	return ""
}

// topic is the reverse of subject.
func (t *targets) topic(subject string) string {
	if t.prefix == "" {
		return subject
	}
	if topic, err := url.PathUnescape(strings.TrimPrefix(subject, t.prefix)); err == nil {
		return topic
	}
	return subject
}

// of gives the target of a topic; it asks the server once.
func (t *targets) of(ctx context.Context, topic string, wild bool) (target, error) {
	t.mu.RLock()
	found, ok := t.known[topic]
	t.mu.RUnlock()
	if ok {
		return found, nil
	}
	subject, err := t.subject(topic, wild)
	if err != nil {
		return target{}, err
	}
	var stream string
	err = t.do(ctx, func(ctx context.Context) (err error) {
		stream, err = t.resolve(ctx, topic, subject)
		return err
	})
	if err != nil {
		return target{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[topic] = target{stream, subject}
	return t.known[topic], nil
}

// forget makes the next of ask again: the stream may be gone.
func (t *targets) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, topic)
}

func (t *targets) resolve(ctx context.Context, topic, subject string) (string, error) {
	if t.prefix != "" {
		return t.stream, t.create(ctx, t.stream, t.prefix+">")
	}
	name, err := t.js.StreamNameBySubject(ctx, subject)
	switch {
	case err == nil && (t.stream == "" || t.stream == name):
		return name, nil
	case err == nil:
		return "", fmt.Errorf("topic %q: %w: stream %s takes it, and not %s, which streamName says", topic, pubsub.ErrInvalidTopic, name, t.stream)
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return "", fmt.Errorf("looking for the stream of topic %q: %w", topic, unavailable(err))
	case t.stream != "":
		return "", fmt.Errorf("topic %q: %w: stream %s does not take this subject; add it to the stream's subjects", topic, pubsub.ErrInvalidTopic, t.stream)
	default:
		name = shorten("mrt_" + escapeName(topic))
		return name, t.create(ctx, name, subject)
	}
}

// create makes a stream that keeps a message until every consumer group has acknowledged it. If it exists with other
// settings, somebody else has made it and they stay.
func (t *targets) create(ctx context.Context, name, subject string) error {
	_, err := t.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{subject}, Description: "topics of mrt-wasm",
		Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, MaxAge: maxAge,
		Storage: t.storage, Replicas: max(t.replicas, 1),
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("creating stream %s: %w", name, unavailable(err))
	}
	return nil
}

// escapeTopic makes any text a subject: percent signs as in URLs; dots stay where they separate non-empty parts.
func escapeTopic(topic string) string {
	dots := !strings.HasPrefix(topic, ".") && !strings.HasSuffix(topic, ".") && !strings.Contains(topic, "..")
	return escape(topic, func(c byte) bool { return c == '/' || c == ':' || c == '=' || c == '@' || dots && c == '.' })
}

// escapeName makes any text part of the name of a stream or consumer.
func escapeName(s string) string { return escape(s, func(byte) bool { return false }) }

func escape(s string, plain func(byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// durable names the consumer of a group and topic. @ is escaped in both parts.
func durable(group, topic string) string { return shorten(escapeName(group) + "@" + escapeName(topic)) }

// shorten keeps a name in what the server's file names allow.
func shorten(name string) string {
	const most, head = 160, 100
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:head] + "-" + hex.EncodeToString(sum[:16])
}
