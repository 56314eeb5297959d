package kafkaconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

const (
	// answerTimeout bounds what is asked of the servers where the caller has set no end.
	answerTimeout = 30 * time.Second
	// deliveryTimeout is how long the client tries to publish a message, and publishTimeout how long a caller waits for
	// what came of it: an attempt that has begun is not broken off.
	deliveryTimeout = 10 * time.Second
	publishTimeout  = 15 * time.Second
	// createTimeout is how long a topic may take to come into being once it was asked for.
	createTimeout = 10 * time.Second
	// idleTimeout is when connections are closed that nothing uses; servers do so after 10 minutes.
	idleTimeout = 5 * time.Minute
	// maxBuffered bounds what waits to be sent, in bytes.
	maxBuffered = 256 << 20
)

// Client publishes, and begins consumers. It is safe for concurrent use.
type Client struct {
	s   *Settings
	log *slog.Logger
	cl  *kgo.Client
	adm *kadm.Client

	mu    sync.RWMutex
	known map[string]bool // topics that were there when they were last asked for
}

// Open connects and checks that a server answers and takes the credentials. A *component.PermanentError is one that
// waiting cannot mend. ctx bounds the start only. Close the client with its Close.
func Open(ctx context.Context, s *Settings, log *slog.Logger) (*Client, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opts, err := s.options(log)
	if err != nil {
		return nil, component.Permanent(err)
	}
	cl, err := kgo.NewClient(append(opts, s.producing(log)...)...)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("kafka: these settings do not go together: %w", err))
	}
	c := &Client{s: s, log: log, cl: cl, adm: kadm.NewClient(cl), known: map[string]bool{}}
	if err := c.Ping(ctx); err != nil {
		cl.Close()
		return nil, s.explain(err)
	}
	return c, nil
}

// options are those of every client.
func (s *Settings) options(log *slog.Logger) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(s.addrs()...), kgo.ClientID(s.ClientID), kgo.WithLogger(logger{log}), kgo.DisableClientMetrics(),
		kgo.DialTimeout(s.DialTimeout), kgo.RequestTimeoutOverhead(max(s.ReadTimeout, s.WriteTimeout)), kgo.ConnIdleTimeout(idleTimeout),
		kgo.MetadataMaxAge(s.MetadataRefresh), kgo.MetadataMinAge(min(250*time.Millisecond, s.MetadataRefresh)), kgo.RetryBackoffFn(backoff),
	}
	if s.KeepAlive > 0 {
		opts = append(opts, kgo.ConnIdleTimeout(s.KeepAlive))
	}
	if s.MetadataTimeout > 0 {
		opts = append(opts, kgo.RetryTimeoutFn(s.retryTimeout))
	}
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	if config != nil {
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	mechanism, err := s.sasl()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

// producing are the options of a client that publishes.
func (s *Settings) producing(log *slog.Logger) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.RequiredAcks(s.acks), kgo.ProducerBatchMaxBytes(int32(s.MaxMessageBytes)), kgo.ProducerBatchCompression(s.codec),
		kgo.MaxBufferedBytes(maxBuffered), kgo.MaxBufferedRecords(1 << 20), kgo.RecordPartitioner(partitioner{}),
		kgo.RecordRetries(int(s.RetryMax)), kgo.RecordDeliveryTimeout(deliveryTimeout), kgo.ProduceRequestTimeout(deliveryTimeout), kgo.ProducerLinger(0),
	}
	if s.acks == kgo.AllISRAcks() {
		// A message whose answer is lost fails in time; whoever publishes it again may have it twice.
		return append(opts, kgo.AllowIdempotentProduceCancellation())
	}
	if s.acks == kgo.NoAck() {
		log.Warn("producerRequiredAcks is none: messages may be lost without an error")
	}
	return append(opts, kgo.DisableIdempotentWrite())
}

// retryTimeout bounds requests with all their attempts.
func (s *Settings) retryTimeout(key int16) time.Duration {
	switch kmsg.Key(key) {
	case kmsg.Metadata:
		return s.MetadataTimeout
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat:
		return s.SessionTimeout
	default:
		return answerTimeout
	}
}

// backoff is the pause before attempt n: from 50 ms to 2 s, and not the same for all.
func backoff(n int) time.Duration {
	pause := min(50*time.Millisecond<<min(max(n-1, 0), 10), 2*time.Second)
	return pause/2 + rand.N(pause/2) //nolint:gosec // only to spread attempts
}

// explain adds what was tried and what to do.
func (s *Settings) explain(err error) error {
	where := strings.Join(s.addrs(), ",")
	switch {
	case untrusted(err):
		return component.Permanent(fmt.Errorf("kafka at %s: no trust between client and server; check caCert, clientCert and clientKey: %w", where, err))
	case refused(err):
		return component.Permanent(fmt.Errorf("kafka at %s refuses the credentials; check authType, saslMechanism and the fields of the user or client: %w", where, err))
	default:
		return fmt.Errorf("kafka at %s does not answer; check brokers, disableTls and that the server runs: %w", where, err)
	}
}

// Ping asks any server.
func (c *Client) Ping(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := c.cl.Ping(asking)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Close ends the client. All consumers are stopped before.
func (c *Client) Close() { c.cl.Close() }

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// checkTopic tells whether a name can be a topic's.
func checkTopic(topic string) error {
	switch {
	case topic == "":
		return badTopic("topic is empty")
	case topic == "." || topic == ".." || !topicName.MatchString(topic):
		return badTopic("topic %.60q: want at most 249 letters, digits, dots, underscores and hyphens, and neither . nor ..", topic)
	}
	return nil
}

// ensure makes a topic, unless it is there, as the servers make topics when asked for one (auto.create.topics.enable).
func (c *Client) ensure(ctx context.Context, topic string) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	c.mu.RLock()
	known := c.known[topic]
	c.mu.RUnlock()
	if known {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for begun, n := time.Now(), 1; ; n++ {
		err := c.ask(asking, topic)
		switch {
		case err == nil:
			c.mu.Lock()
			c.known[topic] = true
			c.mu.Unlock()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case asking.Err() != nil || !kerr.IsRetriable(err):
			return fmt.Errorf("topic %s: %w", topic, err)
		case time.Since(begun) < createTimeout:
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			return badTopic("topic %s does not exist, and the server does not make it (auto.create.topics.enable); create it: %w", topic, err)
		default:
			return fmt.Errorf("topic %s: %w", topic, err)
		}
		pause(asking, backoff(n))
	}
}

// ask asks for a topic, which makes the servers create it where they may; nil if all its partitions have a leader.
func (c *Client) ask(ctx context.Context, topic string) error {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = true
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = &topic
	req.Topics = append(req.Topics, wanted)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) == 0 && resp.Topics[0].ErrorCode == 0 {
		return kerr.UnknownTopicOrPartition
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return err
	}
	for _, p := range resp.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// forget makes the next ensure ask again.
func (c *Client) forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, topic)
}

// pause waits, and is false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// logger hands on what the client library tells. All that a user has to know comes as an error or as a line of this
// package as well, so the library's lines are for debugging.
type logger struct{ log *slog.Logger }

// Level is that of warnings: the library tells of each request below.
func (l logger) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelWarn
	}
	return kgo.LogLevelNone
}

// Log writes a line.
func (l logger) Log(_ kgo.LogLevel, msg string, keyvals ...any) {
	l.log.Debug("kafka client: "+msg, keyvals...)
}
