package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// settings are the metadata fields.
type settings struct {
	Host             string         `metadata:"host,required,secret" alias:"connectionString" doc:"amqp://user:password@host:port/vhost, or amqps://"`
	Queue            string         `metadata:"queueName,required" doc:"queue that is read and that create publishes to; it is made if it does not exist"`
	Durable          bool           `metadata:"durable" default:"false" doc:"the queue and its messages survive a restart of the server"`
	DeleteWhenUnused bool           `metadata:"deleteWhenUnused" alias:"deletedWhenUnused" default:"false" doc:"the queue is deleted, with its messages, when its last reader is gone, also for a moment"`
	Exclusive        bool           `metadata:"exclusive" default:"false" doc:"the queue is for this component alone, and is deleted when its connection ends"`
	TTL              *time.Duration `metadata:"ttl,s" alias:"ttlInSeconds" doc:"how long messages live in the queue; default for ever"`
	MaxPriority      *int64         `metadata:"maxPriority" doc:"highest priority of messages, 1 to 255; default none have any"`
	PrefetchCount    int64          `metadata:"prefetchCount" default:"0" doc:"most messages that the server has delivered and that are not handled; 0 is somewhat more than concurrency"`
	ContentType      string         `metadata:"contentType" default:"text/plain" doc:"content type of messages; metadata contentType of a request takes its place"`
	ReconnectWait    time.Duration  `metadata:"reconnectWaitInSeconds,s" alias:"reconnectWaitSeconds,reconnectWait" default:"5s" doc:"longest pause between two attempts to connect again; the first ones come sooner"`
	rabbitconn.Certificates
	External    bool  `metadata:"externalSasl" alias:"saslExternal" default:"false" doc:"the server knows the user by clientCert; needs caCert, clientCert and clientKey"`
	Concurrency int64 `metadata:"concurrency" default:"1" doc:"messages that are handled at once; 1 keeps their order"`
	MaxDeliver  int64 `metadata:"maxDeliver" default:"-1" doc:"most deliveries of one message, then it is discarded or goes to the queue's dead letter exchange; -1 is without end"`
}

// The most that the protocol and the server take.
const (
	maxWindow = 65535
	maxTTL    = (1<<32 - 1) * time.Millisecond
)

// heartbeat is how often both sides show that they are there.
const heartbeat = 10 * time.Second

// check tells all that is wrong, but for the connection.
func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !plainName(s.Queue) {
		bad("metadata field queueName: want at most %d bytes without control characters, found %.40q", rabbitconn.MaxShort, s.Queue)
	}
	if s.TTL != nil && (*s.TTL <= 0 || *s.TTL > maxTTL) {
		bad("metadata field ttlInSeconds: want more than 0 and at most %d, found %g", int64(maxTTL/time.Second), s.TTL.Seconds())
	}
	if s.MaxPriority != nil && *s.MaxPriority < 0 {
		bad("metadata field maxPriority: want 0 to 255, found %d", *s.MaxPriority)
	}
	if s.PrefetchCount < 0 || s.PrefetchCount > maxWindow {
		bad("metadata field prefetchCount: want 0 to %d, found %d", maxWindow, s.PrefetchCount)
	}
	if s.Concurrency < 1 || s.Concurrency > maxWindow {
		bad("metadata field concurrency: want 1 to %d, found %d", maxWindow, s.Concurrency)
	}
	if s.MaxDeliver < -1 || s.MaxDeliver == 0 {
		bad("metadata field maxDeliver: want 1 or more, or -1, found %d", s.MaxDeliver)
	}
	if len(s.ContentType) > rabbitconn.MaxShort {
		bad("metadata field contentType: want at most %d bytes, found %d", rabbitconn.MaxShort, len(s.ContentType))
	}
	return errors.Join(errs...)
}

// options gives how to connect.
func (s *settings) options(cfg component.Config, log *slog.Logger) rabbitconn.Options {
	return rabbitconn.Options{
		URL: s.Host, Field: "host", Certificates: s.Certificates, External: s.External,
		Name: "mrt-wasm " + cfg.Name, Heartbeat: heartbeat, ReconnectWait: s.ReconnectWait, Log: log,
	}
}

// declare makes the queue, as Dapr does.
func (s *settings) declare(ch *amqp.Channel) error {
	args := amqp.Table{}
	if s.TTL != nil {
		args[amqp.QueueMessageTTLArg] = s.TTL.Milliseconds()
	}
	if s.MaxPriority != nil {
		args["x-max-priority"] = uint8(min(*s.MaxPriority, 255))
	}
	if _, err := ch.QueueDeclare(s.Queue, s.Durable, s.DeleteWhenUnused, s.Exclusive, false, args); err != nil {
		return rabbitconn.Explain("queue "+s.Queue, err)
	}
	return nil
}

// window is how many messages are on their way to us or not settled.
func (s *settings) window() int {
	if s.PrefetchCount > 0 {
		return int(s.PrefetchCount)
	}
	// Those that failed and wait to be handled again are in the window too, and others shall pass them.
	return int(min(s.Concurrency+min(3*s.Concurrency, 100), maxWindow))
}
