package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// settings are the metadata fields.
type settings struct {
	natsconn.Settings
	natsconn.API

	Stream     string        `metadata:"streamName" doc:"stream of all topics, which has to exist on an external server; without it streams are found by subject or created"`
	Durable    string        `metadata:"durableName" doc:"consumer group, instead of the app's consumerID"`
	Queue      string        `metadata:"queueGroupName" doc:"consumer group, if durableName is not given"`
	StartSeq   int64         `metadata:"startSequence" doc:"first sequence number, with deliverPolicy sequence"`
	StartTime  int64         `metadata:"startTime" default:"0" doc:"start as Unix time in seconds, with deliverPolicy time"`
	Flow       bool          `metadata:"flowControl" default:"false" doc:"has no effect: messages are pulled, which controls their flow"`
	AckWait    time.Duration `metadata:"ackWait" default:"30s" doc:"time after which a message that nobody works on is delivered again"`
	MaxDeliver int64         `metadata:"maxDeliver" doc:"most deliveries of one message; default without end"`
	MaxPending int64         `metadata:"maxAckPending" doc:"most messages that are delivered and not acknowledged; default 1000"`
	Replicas   int64         `metadata:"replicas" doc:"replicas of streams that are created, and of consumers"`
	InMemory   bool          `metadata:"memoryStorage" default:"false" doc:"keep created streams and consumers in memory: lost when the server stops"`
	RateLimit  int64         `metadata:"rateLimit" doc:"most bits of messages per second that a consumer takes"`
	Heartbeat  time.Duration `metadata:"heartbeat" doc:"how often the server says on an idle subscription that it is there"`
	Deliver    string        `metadata:"deliverPolicy" default:"all" doc:"where a new consumer group starts: all, last, new, sequence or time"`
	Ack        string        `metadata:"ackPolicy" default:"explicit" doc:"explicit, all (a message acknowledges those before it) or none (nothing is delivered again)"`
	Concurrent string        `metadata:"concurrency" default:"single" doc:"single handles one message after the other, parallel many at once"`
	BackOff    string        `metadata:"backOff" doc:"pauses before delivering again, separated by commas, for example 50ms, 1s, 10s; needs a larger maxDeliver"`

	backOff []time.Duration
}

// check completes the settings; the error lists all that is wrong.
func (s *settings) check(cfg component.Config) error {
	errs := []error{s.Settings.Check(), s.API.Check()}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.StartSeq < 0 || s.MaxDeliver < -1 || s.MaxPending < -1 || s.Replicas < 0 || s.RateLimit < 0 || s.AckWait <= 0 || s.Heartbeat < 0 {
		bad("metadata fields startSequence, replicas, rateLimit, heartbeat: want 0 or more; maxDeliver, maxAckPending: -1 or more; ackWait: more than 0")
	}
	for text := range strings.SplitSeq(s.BackOff, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			bad("metadata field backOff: want durations separated by commas such as 50ms, 1s; found %q", text)
		}
		s.backOff = append(s.backOff, d)
	}
	if n := int64(len(s.backOff)); n > 0 && s.MaxDeliver != -1 && s.MaxDeliver <= n {
		bad("metadata field backOff has %d pauses: want maxDeliver to be larger than that, or -1; found %d", n, s.MaxDeliver)
	}
	if _, err := s.deliverPolicy(); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.ackPolicy(); err != nil {
		errs = append(errs, err)
	}
	if s.Concurrent != "single" && s.Concurrent != "parallel" {
		bad("metadata field concurrency: want single or parallel, found %q", s.Concurrent)
	}
	if s.Flow {
		cfg.Log.Info("metadata field flowControl has no effect: messages are pulled, which controls their flow")
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
	case "sequence":
		if s.StartSeq > 0 {
			return jetstream.DeliverByStartSequencePolicy, nil
		}
		return 0, errors.New("metadata field startSequence: want 1 or more with deliverPolicy sequence")
	case "time":
		if s.StartTime > 0 {
			return jetstream.DeliverByStartTimePolicy, nil
		}
		return 0, errors.New("metadata field startTime: want a Unix time in seconds with deliverPolicy time")
	default:
		return 0, fmt.Errorf("metadata field deliverPolicy: want all, last, new, sequence or time; found %q", s.Deliver)
	}
}

func (s *settings) ackPolicy() (jetstream.AckPolicy, error) {
	switch s.Ack {
	case "explicit":
		return jetstream.AckExplicitPolicy, nil
	case "all":
		return jetstream.AckAllPolicy, nil
	case "none":
		return jetstream.AckNonePolicy, nil
	default:
		return 0, fmt.Errorf("metadata field ackPolicy: want explicit, all or none; found %q", s.Ack)
	}
}

// consumer gives the configuration of a durable consumer.
func (s *settings) consumer(name, subject string) jetstream.ConsumerConfig {
	deliver, _ := s.deliverPolicy() // checked
	ack, _ := s.ackPolicy()
	cfg := jetstream.ConsumerConfig{
		Durable: name, FilterSubject: subject,
		DeliverPolicy: deliver, AckPolicy: ack, AckWait: s.AckWait, BackOff: s.backOff,
		MaxDeliver: int(s.MaxDeliver), MaxAckPending: int(s.MaxPending),
		Replicas: int(s.Replicas), MemoryStorage: s.InMemory,
	}
	if ack == jetstream.AckNonePolicy {
		cfg.AckWait, cfg.MaxAckPending, cfg.BackOff = 0, 0, nil
	}
	switch deliver {
	case jetstream.DeliverByStartSequencePolicy:
		cfg.OptStartSeq = uint64(s.StartSeq)
	case jetstream.DeliverByStartTimePolicy:
		start := time.Unix(s.StartTime, 0)
		cfg.OptStartTime = &start
	default:
	}
	return cfg
}
