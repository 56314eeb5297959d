package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// settings are the metadata fields; defaults that say nothing else are Dapr's.
type settings struct {
	ConnectionString string `metadata:"connectionString,secret" alias:"host" doc:"amqp://user:password@host:port/vhost, or amqps://"`
	Protocol         string `metadata:"protocol" doc:"without connectionString: amqp or amqps; default amqp"`
	Hostname         string `metadata:"hostname" default:"localhost" doc:"without connectionString: host or host:port"`
	Username         string `metadata:"username" doc:"without connectionString: user"`
	Password         string `metadata:"password,secret" doc:"without connectionString: password of the user"`
	rabbitconn.Certificates
	External bool `metadata:"saslExternal" default:"false" doc:"the server knows the user by clientCert; needs caCert, clientCert and clientKey"`

	ConsumerID       string         `metadata:"consumerID" doc:"consumer group; default the app's name"`
	Durable          bool           `metadata:"durable" default:"true" doc:"exchanges and queues survive a restart of the server"`
	DeleteWhenUnused *bool          `metadata:"deletedWhenUnused" alias:"deleteWhenUnused" doc:"a queue is deleted, with its messages, when its last consumer is gone, also for a moment; set false to keep messages. Default true, as in Dapr, so that exchanges and queues can be shared with it"`
	AutoAck          bool           `metadata:"autoAck" default:"false" doc:"messages are acknowledged before they are handled: one that fails is lost"`
	DeliveryMode     *int64         `metadata:"deliveryMode" doc:"2 for messages that survive a restart of the server in durable queues, 0 or 1 for such that do not; default 2 (in Dapr 0)"`
	Requeue          *bool          `metadata:"requeueInFailure" doc:"true: a message that failed is delivered again; false: it is discarded, or goes to the dead letter exchange. Default true, but false with enableDeadLetter (in Dapr always false)"`
	MaxDeliver       *int64         `metadata:"maxDeliver" doc:"most deliveries of one message, then it is discarded or goes to the dead letter exchange; -1 is without end. Default by requeueInFailure: -1 or 1"`
	PrefetchCount    int64          `metadata:"prefetchCount" default:"0" doc:"most messages of a subscription that the server has delivered and that are not handled; 0 is somewhat more than are handled at once"`
	PublisherConfirm bool           `metadata:"publisherConfirm" default:"true" doc:"has no effect: publishing always waits until the server has confirmed that it has the message"`
	ReconnectWait    time.Duration  `metadata:"reconnectWaitSeconds,s" alias:"reconnectWait,reconnectWaitInSeconds" default:"3s" doc:"longest pause between two attempts to connect again; the first ones come sooner"`
	Concurrency      string         `metadata:"concurrency" alias:"concurrencyMode" default:"parallel" doc:"parallel, or single for one message of a subscription at a time, in order"`
	DeadLetter       bool           `metadata:"enableDeadLetter" default:"false" doc:"messages that are given up go to the queue dlq-<queue>, by the exchange dlx-<queue>"`
	MaxLen           int64          `metadata:"maxLen" doc:"most messages that a queue keeps; the oldest are dropped"`
	MaxLenBytes      int64          `metadata:"maxLenBytes" doc:"most bytes that a queue keeps; the oldest messages are dropped"`
	Kind             string         `metadata:"exchangeKind" default:"fanout" doc:"fanout, topic, direct or headers; publishers and subscriptions give routingKey in their metadata"`
	TTL              *time.Duration `metadata:"ttlInSeconds,s" alias:"ttl" doc:"how long messages live whose publisher says nothing; default for ever"`
	ClientName       string         `metadata:"clientName" doc:"name of the connections at the server; default mrt-wasm and the component's name"`
	Heartbeat        time.Duration  `metadata:"heartBeat,s" default:"10s" doc:"how often both sides show that they are there; a connection without is lost after three times that"`
	Properties       bool           `metadata:"publishMessagePropertiesToMetadata" default:"false" doc:"AMQP properties and headers of a message are in its metadata, as metadata.messageid, metadata.correlationid, metadata.type, metadata.contenttype and metadata.<header>"`
}

// defaultAtOnce is how many messages of a subscription are handled at once when nothing is said. Dapr has no bound.
const defaultAtOnce = 100

// maxWindow is the most that the protocol can say.
const maxWindow = 65535

// maxTTL is the longest time to live that the server takes, about 49 days.
const maxTTL = (1<<32 - 1) * time.Millisecond

// check tells all that is wrong, but for the connection.
func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.DeliveryMode != nil && (*s.DeliveryMode < 0 || *s.DeliveryMode > 2) {
		bad("metadata field deliveryMode: want 0, 1 or 2, found %d", *s.DeliveryMode)
	}
	if s.MaxDeliver != nil && (*s.MaxDeliver < -1 || *s.MaxDeliver == 0) {
		bad("metadata field maxDeliver: want 1 or more, or -1, found %d", *s.MaxDeliver)
	}
	if s.PrefetchCount < 0 || s.PrefetchCount > maxWindow {
		bad("metadata field prefetchCount: want 0 to %d, found %d", maxWindow, s.PrefetchCount)
	}
	if s.MaxLen < 0 || s.MaxLenBytes < 0 {
		bad("metadata fields maxLen and maxLenBytes: want 0 or more, found %d and %d", s.MaxLen, s.MaxLenBytes)
	}
	if s.Concurrency != "parallel" && s.Concurrency != "single" {
		bad("metadata field concurrency: want parallel or single, found %q", s.Concurrency)
	}
	if kinds := []string{amqp.ExchangeFanout, amqp.ExchangeTopic, amqp.ExchangeDirect, amqp.ExchangeHeaders}; !slices.Contains(kinds, s.Kind) {
		bad("metadata field exchangeKind: want %s, found %q", strings.Join(kinds, ", "), s.Kind)
	}
	if s.TTL != nil && (*s.TTL <= 0 || *s.TTL > maxTTL) {
		bad("metadata field ttlInSeconds: want more than 0 and at most %d, found %g", int64(maxTTL/time.Second), s.TTL.Seconds())
	}
	return errors.Join(errs...)
}

// options gives how to connect.
func (s *settings) options(cfg component.Config, log *slog.Logger) (rabbitconn.Options, error) {
	o := rabbitconn.Options{
		URL: s.ConnectionString, Field: "connectionString", Certificates: s.Certificates, External: s.External,
		Name: s.ClientName, Heartbeat: s.Heartbeat, ReconnectWait: s.ReconnectWait, Log: log,
	}
	if o.Name == "" {
		o.Name = "mrt-wasm " + cfg.Name
	}
	if s.Protocol != "" && s.Protocol != "amqp" && s.Protocol != "amqps" {
		return o, fmt.Errorf("metadata field protocol: want amqp or amqps, found %q", s.Protocol)
	}
	if o.URL != "" {
		if s.Protocol != "" && !strings.HasPrefix(o.URL, s.Protocol+"://") {
			return o, fmt.Errorf("metadata field protocol: is %s, and connectionString does not begin with %s://", s.Protocol, s.Protocol)
		}
		return o, o.Check()
	}
	if s.Username == "" && s.Password != "" {
		return o, errors.New("metadata field username: is missing, but there is a password")
	}
	o.Field = "hostname, username and password"
	u := url.URL{Scheme: "amqp", Host: s.Hostname}
	if s.Protocol != "" {
		u.Scheme = s.Protocol
	}
	if s.Username != "" {
		u.User = url.User(s.Username)
	}
	if s.Password != "" {
		u.User = url.UserPassword(s.Username, s.Password)
	}
	o.URL = u.String()
	return o, o.Check()
}

func (s *settings) deleteWhenUnused() bool { return s.DeleteWhenUnused == nil || *s.DeleteWhenUnused }

func (s *settings) deliveryMode() uint8 {
	if s.DeliveryMode == nil || *s.DeliveryMode == 2 {
		return amqp.Persistent
	}
	return amqp.Transient
}

// maxDeliver is the most deliveries of one message; 0 is without end.
func (s *settings) maxDeliver() int {
	switch {
	case s.MaxDeliver != nil:
		return int(max(*s.MaxDeliver, 0))
	case s.Requeue == nil && s.DeadLetter, s.Requeue != nil && !*s.Requeue:
		return 1
	default:
		return 0
	}
}

// flow gives how many messages are handled at once, and how many are on their way or not settled.
func (s *settings) flow(inFlight int) (atOnce, window int) {
	atOnce = inFlight
	switch {
	case inFlight > 0:
	case s.Concurrency == "single":
		atOnce = 1
	case s.PrefetchCount > 0:
		atOnce = int(s.PrefetchCount)
	default:
		atOnce = defaultAtOnce
	}
	if s.PrefetchCount > 0 {
		return atOnce, max(int(s.PrefetchCount), inFlight)
	}
	// Those that failed and wait to be handled again are in the window too, and others shall pass them.
	return atOnce, min(atOnce+min(3*atOnce, 100), maxWindow)
}
