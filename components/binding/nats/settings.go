package nats

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
)

// settings are the metadata fields.
type settings struct {
	natsconn.Settings
	natsconn.API

	Subject     string        `metadata:"subject,required" doc:"subject that is read and that create publishes to; wildcards only for reading"`
	JetStream   bool          `metadata:"jetstream" default:"false" doc:"read and publish by a stream, which keeps messages until they are handled"`
	Queue       string        `metadata:"queueGroupName" alias:"queueGroup" doc:"readers of the same group share the messages; default the app's name"`
	Durable     string        `metadata:"durableName" alias:"durable" doc:"with jetstream: name of the consumer that readers share; default the app's name and the component's"`
	Stream      string        `metadata:"streamName" doc:"with jetstream: stream of the subject; without it the one that takes the subject is used, or created"`
	Deliver     string        `metadata:"deliverPolicy" default:"all" doc:"with jetstream: where a new consumer starts: all, last or new"`
	AckWait     time.Duration `metadata:"ackWait" default:"30s" doc:"with jetstream: time after which a message that nobody works on is delivered again"`
	MaxDeliver  int64         `metadata:"maxDeliver" default:"-1" doc:"with jetstream: most deliveries of one message; -1 is without end"`
	InMemory    bool          `metadata:"memoryStorage" default:"false" doc:"with jetstream: keep a created stream in memory: lost when the server stops"`
	Replicas    int64         `metadata:"replicas" default:"1" doc:"with jetstream: replicas of a created stream"`
	Concurrency int64         `metadata:"concurrency" default:"10" doc:"messages that are handled at once, per app; 1 keeps their order"`
}

// check completes the settings; the error lists all that is wrong.
func (s *settings) check() error {
	errs := []error{s.Settings.Check(), s.API.Check()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if why := badSubject(s.Subject, true); why != "" {
		bad("metadata field subject: want a NATS subject, which %s; found %q", why, s.Subject)
	}
	if _, err := s.deliverPolicy(); err != nil {
		errs = append(errs, err)
	}
	if s.Concurrency < 1 || s.AckWait <= 0 || s.Replicas < 1 || s.MaxDeliver < -1 || s.MaxDeliver == 0 {
		bad("metadata fields concurrency and replicas: want 1 or more; ackWait: more than 0; maxDeliver: 1 or more, or -1")
	}
	for field, name := range map[string]string{"durableName": s.Durable, "streamName": s.Stream} {
		if strings.ContainsAny(name, ".*>/\\ \t\r\n") {
			bad("metadata field %s: want a name without dots, wildcards, slashes and spaces; found %q", field, name)
		}
	}
	return errors.Join(errs...)
}

func (s *settings) deliverPolicy() (jetstream.DeliverPolicy, error) {
	switch s.Deliver {
	case "all":
		return jetstream.DeliverAllPolicy, nil
	case "last":
		return jetstream.DeliverLastPolicy, nil
	case "new":
		return jetstream.DeliverNewPolicy, nil
	default:
		return 0, fmt.Errorf("metadata field deliverPolicy: want all, last or new; found %q", s.Deliver)
	}
}

// badSubject says what a subject must not be; empty if it is fine. wild allows wildcards.
func badSubject(s string, wild bool) string {
	tokens := strings.Split(s, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return "has no empty parts between dots"
		case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return "has no spaces and no control characters"
		case !wild && strings.ContainsAny(token, "*>"):
			return "has no wildcards"
		case strings.ContainsAny(token, "*>") && (len(token) > 1 || token == ">" && i < len(tokens)-1):
			return "has * for a whole part and > for all parts at the end"
		}
	}
	return ""
}
