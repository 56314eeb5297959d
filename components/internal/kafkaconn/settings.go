// Package kafkaconn is what the drivers on Kafka share: the metadata fields of a connection, a client that publishes, and
// consumers that read by consumer groups. It knows nothing about CloudEvents, apps or bindings.
//
// Messages are laid out as Dapr lays them out: metadata are headers, the key is that of partitionKey, and the same key
// goes to the same partition, so that programs with Dapr and without can share topics and consumer groups.
package kafkaconn

import (
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Settings are the metadata fields of a Kafka component, as in Dapr. A driver embeds them in its own struct. Call Check
// before anything else. Durations that are bare integers are seconds.
type Settings struct {
	Brokers           string        `metadata:"brokers,required" doc:"brokers to begin with as host:port, several separated by commas"`
	ConsumerGroup     string        `metadata:"consumerGroup" doc:"consumer group; default consumerID, else the app's name"`
	ClientID          string        `metadata:"clientID" default:"mrt-wasm" doc:"name under which the servers know the client"`
	InitialOffset     string        `metadata:"initialOffset" default:"newest" doc:"where a consumer group starts in a partition of which it has no offset: newest or oldest"`
	MaxMessageBytes   int64         `metadata:"maxMessageBytes" default:"1048576" doc:"largest batch of messages that is published, in bytes after compression; servers have a limit of their own"`
	RetryInterval     time.Duration `metadata:"consumeRetryInterval,ms" default:"100ms" doc:"first pause before a message that failed is handled again; it doubles with every failure, up to 5 s or this if it is more"`
	HeartbeatInterval time.Duration `metadata:"heartbeatInterval,s" default:"3s" doc:"how often a consumer tells its group that it lives; at most a third of sessionTimeout is advisable"`
	SessionTimeout    time.Duration `metadata:"sessionTimeout,s" default:"10s" doc:"time after which a consumer that tells nothing loses its partitions"`
	RebalanceStrategy string        `metadata:"consumerGroupRebalanceStrategy" doc:"how partitions are shared out: range, sticky or roundrobin; default cooperative-sticky, or range in a group that has members of Dapr"`
	FetchMin          int64         `metadata:"consumerFetchMin" default:"1" doc:"fewest bytes that a server waits for before it answers"`
	FetchDefault      int64         `metadata:"consumerFetchDefault" default:"1048576" doc:"most bytes of one partition in an answer; a larger message comes all the same"`
	ChannelBufferSize int64         `metadata:"channelBufferSize" default:"256" doc:"messages of a partition that are read ahead"`
	MetadataRefresh   time.Duration `metadata:"clientConnectionTopicMetadataRefreshInterval,s" default:"8m" doc:"how often to ask for brokers and partitions again"`
	KeepAlive         time.Duration `metadata:"clientConnectionKeepAliveInterval,s" doc:"idle time after which a connection is closed; default 5m"`
	DialTimeout       time.Duration `metadata:"dialTimeout,s" default:"30s" doc:"how long connecting may take"`
	ReadTimeout       time.Duration `metadata:"readTimeout,s" default:"30s" doc:"how long an answer may take, beside the time that the request gives the server"`
	WriteTimeout      time.Duration `metadata:"writeTimeout,s" default:"30s" doc:"how long sending may take; the longer one of readTimeout and this holds for both"`
	MetadataTimeout   time.Duration `metadata:"metadataTimeout,s" doc:"how long asking for brokers and partitions may take with all attempts; default 30s"`
	RequiredAcks      string        `metadata:"producerRequiredAcks" default:"all" doc:"who has a message when publishing returns: all replicas in sync, the leader (local), or perhaps nobody (none); idempotent only with all"`
	RetryMax          int64         `metadata:"producerRetryMax" default:"5" doc:"how often publishing is tried again, within 10 s"`
	Compression       string        `metadata:"compression" default:"none" doc:"compression of what is published: none, gzip, snappy, lz4 or zstd"`
	EscapeHeaders     bool          `metadata:"escapeHeaders" default:"false" doc:"escape keys and headers of messages that are read as in the query of a URL"`
	ExcludeHeaders    string        `metadata:"excludeHeaderMetaRegex" doc:"regular expression; metadata whose names match are not made headers, nor headers metadata"`
	Version           string        `metadata:"version" doc:"version of the servers; has no effect: what they speak is asked of them"`

	Auth
	Unsupported

	acks    kgo.Acks
	codec   kgo.CompressionCodec
	exclude *regexp.Regexp
}

// Unsupported are fields of Dapr's that this binary does not have. They are known, so that a component that needs
// them is refused and not opened without.
type Unsupported struct {
	SchemaRegistryURL       string        `metadata:"schemaRegistryURL" doc:"not supported: a value is refused"`
	SchemaRegistryAPIKey    string        `metadata:"schemaRegistryAPIKey,secret" doc:"not supported: a value is refused"`
	SchemaRegistryAPISecret string        `metadata:"schemaRegistryAPISecret,secret" doc:"not supported: a value is refused"`
	SchemaCaching           bool          `metadata:"schemaCachingEnabled" default:"true" doc:"not supported, see schemaRegistryURL"`
	SchemaCacheTTL          time.Duration `metadata:"schemaLatestVersionCacheTTL,s" default:"5m" doc:"not supported, see schemaRegistryURL"`
	UseAvroJSON             bool          `metadata:"useAvroJSON" default:"false" doc:"not supported, see schemaRegistryURL"`
	AWSRegion               string        `metadata:"awsRegion" alias:"region" doc:"not supported, see authType"`
	AWSAccessKey            string        `metadata:"awsAccessKey,secret" alias:"accessKey" doc:"not supported, see authType"`
	AWSSecretKey            string        `metadata:"awsSecretKey,secret" alias:"secretKey" doc:"not supported, see authType"`
	AWSSessionToken         string        `metadata:"awsSessionToken,secret" alias:"sessionToken" doc:"not supported, see authType"`
	AWSRole                 string        `metadata:"awsIamRoleArn" alias:"assumeRoleArn" doc:"not supported, see authType"`
	AWSSessionName          string        `metadata:"awsStsSessionName" alias:"sessionName" doc:"not supported, see authType"`
	AWSTrustAnchor          string        `metadata:"trustAnchorArn" doc:"not supported, see authType"`
	AWSTrustProfile         string        `metadata:"trustProfileArn" doc:"not supported, see authType"`
}

// maxMessage is what a server takes in one request at the most, with room for the request around a batch.
const maxMessage = 99 << 20

var version = regexp.MustCompile(`^\d{1,3}(\.\d{1,3}){1,3}$`)

// Check completes the settings; the error lists all that is wrong.
func (s *Settings) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	s.checkBrokers(bad)
	if !oneOf(s.InitialOffset, "newest", "oldest") {
		bad("metadata field initialOffset: want newest or oldest, found %q", s.InitialOffset)
	}
	if _, err := s.balancers(); err != nil {
		errs = append(errs, err)
	}
	var ok bool
	if s.acks, ok = acks[strings.ToLower(s.RequiredAcks)]; !ok {
		bad("metadata field producerRequiredAcks: want all, local or none, found %q", s.RequiredAcks)
	}
	codec, ok := codecs[strings.ToLower(s.Compression)]
	if !ok {
		bad("metadata field compression: want none, gzip, snappy, lz4 or zstd, found %q", s.Compression)
	} else {
		s.codec = codec()
	}
	if s.Version != "" && !version.MatchString(s.Version) {
		bad("metadata field version: want a version such as 2.0.0, found %q", s.Version)
	}
	if s.ExcludeHeaders != "" {
		var err error
		if s.exclude, err = regexp.Compile(s.ExcludeHeaders); err != nil {
			bad("metadata field excludeHeaderMetaRegex: want a regular expression: %w", err)
		}
	}
	if s.SchemaRegistryURL != "" || s.SchemaRegistryAPIKey != "" || s.SchemaRegistryAPISecret != "" {
		bad("%w", component.Elsewhere(errors.New("metadata fields schemaRegistryURL, schemaRegistryAPIKey and schemaRegistryAPISecret: this driver has no schema registry: leave them out, or run mrt-wasm-full, which has Dapr's own driver")))
	}
	s.checkNumbers(bad)
	return errors.Join(append(errs, s.checkAuth())...)
}

func (s *Settings) checkBrokers(bad func(string, ...any)) {
	if len(s.addrs()) == 0 {
		bad("metadata field brokers: want host:port, found nothing")
	}
	if strings.Contains(s.Brokers, "@") { // not quoted: it may have a password
		bad("metadata field brokers: want host:port, found a user; use saslUsername and saslPassword")
		return
	}
	for _, addr := range s.addrs() {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || port == "" {
			bad("metadata field brokers: want host:port, several separated by commas; found %q", addr)
		}
	}
}

func (s *Settings) checkNumbers(bad func(string, ...any)) {
	if s.MaxMessageBytes < 1024 || s.MaxMessageBytes > maxMessage {
		bad("metadata field maxMessageBytes: want 1024 to %d, found %d", maxMessage, s.MaxMessageBytes)
	}
	if s.FetchMin < 0 || s.FetchMin > math.MaxInt32 || s.FetchDefault < 1 || s.FetchDefault > maxMessage {
		bad("metadata fields consumerFetchMin and consumerFetchDefault: want 0 or more, and 1 to %d; found %d and %d", maxMessage, s.FetchMin, s.FetchDefault)
	}
	if s.ChannelBufferSize < 0 || s.ChannelBufferSize > math.MaxInt32 || s.RetryMax < 0 || s.RetryMax > math.MaxInt32 {
		bad("metadata fields channelBufferSize and producerRetryMax: want 0 or more, found %d and %d", s.ChannelBufferSize, s.RetryMax)
	}
	if s.RetryInterval < 0 || s.KeepAlive < 0 || s.MetadataTimeout < 0 {
		bad("metadata fields consumeRetryInterval, clientConnectionKeepAliveInterval and metadataTimeout: want 0 or more")
	}
	for name, d := range map[string]time.Duration{
		"clientConnectionTopicMetadataRefreshInterval": s.MetadataRefresh, "dialTimeout": s.DialTimeout, "readTimeout": s.ReadTimeout, "writeTimeout": s.WriteTimeout,
	} {
		if d <= 0 {
			bad("metadata field %s: want more than 0, found %s", name, d)
		}
	}
	if s.HeartbeatInterval < 10*time.Millisecond || s.SessionTimeout <= s.HeartbeatInterval {
		bad("metadata fields heartbeatInterval and sessionTimeout: want at least 10ms, and more than the former; found %s and %s", s.HeartbeatInterval, s.SessionTimeout)
	}
}

func oneOf(text string, of ...string) bool {
	for _, o := range of {
		if strings.EqualFold(text, o) {
			return true
		}
	}
	return false
}

// addrs gives the brokers.
func (s *Settings) addrs() []string {
	var out []string
	for addr := range strings.SplitSeq(s.Brokers, ",") {
		if addr = strings.TrimSpace(addr); addr != "" {
			if _, _, err := net.SplitHostPort(addr); err != nil && !strings.Contains(addr, ":") {
				addr = net.JoinHostPort(addr, "9092")
			}
			out = append(out, addr)
		}
	}
	return out
}

var (
	acks   = map[string]kgo.Acks{"all": kgo.AllISRAcks(), "local": kgo.LeaderAck(), "none": kgo.NoAck()}
	codecs = map[string]func() kgo.CompressionCodec{
		"none": kgo.NoCompression, "gzip": kgo.GzipCompression, "snappy": kgo.SnappyCompression, "lz4": kgo.Lz4Compression, "zstd": kgo.ZstdCompression,
	}
)

// balancers gives the strategies in order of preference; a group takes the first that all members have.
func (s *Settings) balancers() ([]kgo.GroupBalancer, error) {
	switch strings.ToLower(s.RebalanceStrategy) {
	case "":
		return []kgo.GroupBalancer{kgo.CooperativeStickyBalancer(), kgo.RangeBalancer()}, nil
	case "range":
		return []kgo.GroupBalancer{kgo.RangeBalancer()}, nil
	case "sticky":
		return []kgo.GroupBalancer{kgo.StickyBalancer()}, nil
	case "roundrobin":
		return []kgo.GroupBalancer{kgo.RoundRobinBalancer()}, nil
	default:
		return nil, fmt.Errorf("metadata field consumerGroupRebalanceStrategy: want range, sticky or roundrobin, found %q", s.RebalanceStrategy)
	}
}

// oldest tells where a group without offsets starts.
func (s *Settings) oldest() bool { return strings.EqualFold(s.InitialOffset, "oldest") }
