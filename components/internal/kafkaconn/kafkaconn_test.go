package kafkaconn

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// server is the one of all tests: it takes long to start.
var server = sync.OnceValue(func() *testserver.KafkaServer { return testserver.Kafka(testserver.Shared) })

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

var discard = slog.New(slog.DiscardHandler)

// tryOpen reads the settings and connects.
func tryOpen(ctx context.Context, fields component.Metadata) (*Client, error) {
	s := &Settings{}
	if err := (component.Config{Metadata: fields}).Decode(s); err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, component.Permanent(err)
	}
	return Open(ctx, s, discard)
}

func open(t *testing.T, fields component.Metadata) *Client {
	t.Helper()
	c, err := tryOpen(t.Context(), fields)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"brokers": ""}, "brokers"},
		{component.Metadata{"brokers": " , "}, "brokers"},
		{component.Metadata{"brokers": "a:b:c"}, "brokers"},
		{component.Metadata{"brokers": "user:planted@a:1"}, "saslUsername"},
		{component.Metadata{"initialOffset": "middle"}, "initialOffset"},
		{component.Metadata{"maxMessageBytes": "10"}, "maxMessageBytes"},
		{component.Metadata{"maxMessageBytes": "1000000000"}, "maxMessageBytes"},
		{component.Metadata{"consumeRetryInterval": "-1s"}, "consumeRetryInterval"},
		{component.Metadata{"consumeRetryInterval": "soon"}, "consumeRetryInterval"},
		{component.Metadata{"heartbeatInterval": "20s"}, "sessionTimeout"},
		{component.Metadata{"consumerGroupRebalanceStrategy": "fair"}, "consumerGroupRebalanceStrategy"},
		{component.Metadata{"consumerFetchMin": "-1"}, "consumerFetchMin"},
		{component.Metadata{"consumerFetchDefault": "0"}, "consumerFetchDefault"},
		{component.Metadata{"channelBufferSize": "-1"}, "channelBufferSize"},
		{component.Metadata{"clientConnectionTopicMetadataRefreshInterval": "-1s"}, "clientConnectionTopicMetadataRefreshInterval"},
		{component.Metadata{"dialTimeout": "-1s"}, "dialTimeout"},
		{component.Metadata{"producerRequiredAcks": "some"}, "producerRequiredAcks"},
		{component.Metadata{"producerRetryMax": "-1"}, "producerRetryMax"},
		{component.Metadata{"compression": "rar"}, "compression"},
		{component.Metadata{"excludeHeaderMetaRegex": "("}, "excludeHeaderMetaRegex"},
		{component.Metadata{"version": "newest"}, "version"},
		{component.Metadata{"schemaRegistryURL": "http://localhost:8081"}, "schemaRegistryURL"},
		{component.Metadata{"schemaRegistryAPISecret": "planted"}, "mrt-wasm-full"},
		{component.Metadata{"authType": ""}, "authType"},
		{component.Metadata{"authType": "kerberos"}, "authType"},
		{component.Metadata{"authType": "awsiam", "accessKey": "planted"}, "mrt-wasm-full"},
		{component.Metadata{"authType": "", "authRequired": "perhaps"}, "authRequired"},
		{component.Metadata{"authType": "", "authRequired": "true"}, "clientCert"},
		{component.Metadata{"authType": "", "authRequired": "true", "saslPassword": "planted"}, "saslUsername"},
		{component.Metadata{"authType": "password", "saslUsername": "u"}, "saslPassword"},
		{component.Metadata{"authType": "password", "saslUsername": "u", "saslPassword": "planted", "saslMechanism": "GSSAPI"}, "saslMechanism"},
		{component.Metadata{"authType": "password", "saslUsername": "u", "saslPassword": "planted", "caCert": "x"}, "caCert"},
		{component.Metadata{"authType": "mtls", "clientCert": "x", "clientKey": "planted"}, "clientCert"},
		{component.Metadata{"authType": "mtls", "clientCert": "x", "clientKey": "planted", "disableTls": "true"}, "disableTls"},
		{component.Metadata{"authType": "certificate"}, "caCert"},
		{component.Metadata{"authType": "oidc", "oidcTokenEndpoint": "http://x/", "oidcClientID": "id"}, "oidcClientSecret"},
		{component.Metadata{"authType": "oidc", "oidcTokenEndpoint": "http://u:planted@x/", "oidcClientID": "id", "oidcClientSecret": "planted"}, "oidcTokenEndpoint"},
		{component.Metadata{"authType": "oidc", "oidcTokenEndpoint": "http://x/", "oidcClientID": "id", "oidcClientSecret": "planted", "oidcExtensions": "[]"}, "oidcExtensions"},
		{component.Metadata{"authType": "oidc_private_key_jwt", "oidcTokenEndpoint": "http://x/", "oidcClientID": "id", "oidcClientAssertionCert": "x", "oidcClientAssertionKey": "planted"}, "oidcClientAssertionKey"},
	} {
		all := component.Metadata{"brokers": "127.0.0.1:1", "authType": "none"}
		maps.Copy(all, test.fields)
		_, err := tryOpen(t.Context(), all)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: got %v, want a permanent error that names %s and no secret", test.fields, err, test.want)
		}
	}
}

// A component file that sets all that Dapr documents opens.
func TestAllFieldsOfDapr(t *testing.T) {
	c := open(t, component.Metadata{
		"brokers": " " + server().Addr + " ,", "authRequired": "false", "consumerGroup": "g", "clientID": "me", "initialOffset": "Oldest", "maxMessageBytes": "1024",
		"consumeRetryInterval": "200", "heartbeatInterval": "5s", "sessionTimeout": "15", "version": "2.0.0", "disableTls": "true", "skipVerify": "true",
		"channelBufferSize": "512", "consumerFetchMin": "1", "consumerFetchDefault": "2097152", "clientConnectionTopicMetadataRefreshInterval": "4m",
		"clientConnectionKeepAliveInterval": "4m", "dialTimeout": "10s", "readTimeout": "10s", "writeTimeout": "10s", "metadataTimeout": "5s",
		"producerRequiredAcks": "all", "producerRetryMax": "3", "escapeHeaders": "true", "compression": "gzip", "excludeHeaderMetaRegex": "^rawPayload$",
		"consumerGroupRebalanceStrategy": "sticky", "schemaCachingEnabled": "true", "schemaLatestVersionCacheTTL": "5m", "useAvroJSON": "false",
	})
	if _, err := c.Publish(t.Context(), Message{Topic: "fields", Data: []byte("x")}); err != nil {
		t.Error(err)
	}
}

// A key goes to the partition that Dapr's client library takes for it.
func TestPartitionOfKey(t *testing.T) {
	for _, key := range []string{"", "a", "order-1", "order-2", "ünïcode", strings.Repeat("long", 100)} {
		h := fnv.New32a()
		_, _ = h.Write([]byte(key))
		want := int32(h.Sum32()) % 7
		if want < 0 {
			want = -want
		}
		rec := &kgo.Record{Key: []byte(key), Partition: -1}
		if got := (partitioner{}).ForTopic("t").Partition(rec, 7); got != int(want) {
			t.Errorf("key %q: got partition %d, want %d", key, got, want)
		}
	}
}

func TestNamesOfTopics(t *testing.T) {
	for topic, valid := range map[string]bool{"a.b_C-1": true, strings.Repeat("x", 249): true, "": false, ".": false, "..": false, "a b": false, "ü": false, strings.Repeat("x", 250): false} {
		if err := checkTopic(topic); (err == nil) != valid || err != nil && KindOf(err) != BadTopic {
			t.Errorf("topic %.20q: got %v, want valid: %v", topic, err, valid)
		}
	}
}

func TestServerDownAtStart(t *testing.T) {
	_, err := tryOpen(t.Context(), component.Metadata{"brokers": "127.0.0.1:1", "authType": "none"})
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v, want an error that can be tried again and says that the server does not answer", err)
	}
}

func TestTooLarge(t *testing.T) {
	c := open(t, component.Metadata{"brokers": server().Addr, "authType": "none", "maxMessageBytes": "2000"})
	if _, err := c.Publish(t.Context(), Message{Topic: "large", Data: make([]byte, 3000)}); KindOf(err) != BadRequest || !strings.Contains(err.Error(), "maxMessageBytes") {
		t.Errorf("larger than maxMessageBytes: got %v, want a bad request that names it", err)
	}
	c = open(t, component.Metadata{"brokers": server().Addr, "authType": "none", "maxMessageBytes": "5000000"})
	if _, err := c.Publish(t.Context(), Message{Topic: "large", Data: make([]byte, 3_000_000)}); KindOf(err) != BadRequest {
		t.Errorf("larger than the server takes: got %v, want a bad request", err)
	}
}

func TestCompressionAndAcks(t *testing.T) {
	for _, fields := range []component.Metadata{
		{"compression": "gzip"},
		{"compression": "snappy"},
		{"compression": "lz4"},
		{"compression": "zstd"},
		{"producerRequiredAcks": "local"},
		{"producerRequiredAcks": "none"},
	} {
		fields["brokers"], fields["authType"], fields["initialOffset"] = server().Addr, "none", "oldest"
		c := open(t, fields)
		topic := "codec-" + strconv.FormatInt(time.Now().UnixNano(), 36) + fields["compression"] + fields["producerRequiredAcks"]
		data := strings.Repeat("data", 1000)
		if _, err := c.Publish(t.Context(), Message{Topic: topic, Data: []byte(data)}); err != nil {
			t.Errorf("%v: %v", fields, err)
			continue
		}
		got := make(chan string, 100)
		k, err := c.Consume(t.Context(), Reading{Group: "g", Topics: []string{topic}, Handle: func(_ context.Context, d Delivery) error {
			got <- string(d.Data)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for wait, end := true, time.Now().Add(time.Minute); wait; {
			select {
			case text := <-got:
				wait = false
				if text != data {
					t.Errorf("%v: got %d bytes, want %d", fields, len(text), len(data))
				}
			case <-time.After(time.Second):
				if time.Now().After(end) {
					t.Fatalf("%v: the message does not come", fields)
				}
				if fields["producerRequiredAcks"] == "none" { // a leader that is new may lose it
					_, _ = c.Publish(t.Context(), Message{Topic: topic, Data: []byte(data)})
				}
			}
		}
		if err := k.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A server that makes no topics says so, and goes on once somebody has made it.
func TestNoTopicsOfItsOwn(t *testing.T) {
	strict := testserver.Kafka(t, "auto.create.topics.enable=false")
	c := open(t, component.Metadata{"brokers": strict.Addr, "authType": "none"})
	_, err := c.Publish(t.Context(), Message{Topic: "missing", Data: []byte("x")})
	if KindOf(err) != BadTopic || !strings.Contains(err.Error(), "create it") {
		t.Errorf("publish: got %v, want an error of kind BadTopic that says what to do", err)
	}
	if _, err := c.Consume(t.Context(), Reading{Group: "g", Topics: []string{"missing"}}); KindOf(err) != BadTopic {
		t.Errorf("consume: got %v, want an error of kind BadTopic", err)
	}
	if _, err := c.adm.CreateTopic(t.Context(), 1, 1, nil, "missing"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(t.Context(), Message{Topic: "missing", Data: []byte("x")}); err != nil {
		t.Errorf("publish after it was made: %v", err)
	}
}
