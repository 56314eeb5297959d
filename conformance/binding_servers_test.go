package conformance

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// opening is what has a bindingTest opened.
type opening = func(t *testing.T) (map[string]string, func(binding.Binding) error)

// reached is for a binding that brings its events by what it is called with.
func reached(properties func(t *testing.T) map[string]string) opening {
	return func(t *testing.T) (map[string]string, func(binding.Binding) error) { return properties(t), nil }
}

// serverBindingTests are those that need a server.
func serverBindingTests() []bindingTest {
	statements := []string{"exec", "query", "close", "operations"}
	messages := []string{"create", "operations", "read"}
	key := map[string]string{"key": "conformance"}
	return []bindingTest{
		{typ: "bindings.postgresql", operations: statements, open: reached(func(t *testing.T) map[string]string {
			return map[string]string{"url": testserver.Postgres(t).DSN()}
		})},
		{typ: "bindings.mysql", operations: statements, open: reached(func(*testing.T) map[string]string {
			return map[string]string{"url": mariaDB().DSN("mysql")}
		})},
		{typ: "bindings.mqtt3", operations: messages, open: reached(func(t *testing.T) map[string]string {
			return map[string]string{
				"url": "tcp://" + testserver.Mosquitto(t).Addr, "consumerID": "testBindingConsumer", "topic": "testBindingTopic",
				"retain": "false", "qos": "1", "cleanSession": "false", "backOffMaxRetries": "5",
			}
		})},
		{typ: "bindings.rabbitmq", operations: messages, open: reached(func(*testing.T) map[string]string {
			return map[string]string{
				"host": rabbitMQ().URL(), "queueName": "queue1", "durable": "true", "deleteWhenUnused": "false", "ttlInSeconds": "60",
				"prefetchCount": "0", "exclusive": "false", "maxPriority": "5", "contentType": "text/plain",
			}
		})},
		{typ: "bindings.kafka", operations: messages, open: reached(func(*testing.T) map[string]string {
			return map[string]string{
				"brokers": kafka().Addr, "topics": "binding-topic", "publishTopic": "binding-topic", "consumerGroup": "group1",
				"authRequired": "false", "initialOffset": "oldest",
			}
		})},
		{typ: "bindings.smtp", operations: []string{"create", "operations"}, open: reached(mail)},
		{
			name: "without delete and list", typ: "bindings.s3", operations: []string{"create", "get", "operations"}, output: key,
			open: reached(bucket),
		},
		{
			name: "without get", typ: "bindings.s3", operations: []string{"create", "list", "delete", "operations"}, output: key,
			data: `{"maxResults": 10}`, open: reached(bucket),
		},
		{name: "examples/component-binding", typ: "bindings.wasm", operations: []string{"post", "operations", "read"}},
	}
}

func mail(t *testing.T) map[string]string {
	host, port, err := net.SplitHostPort(testserver.SMTP(t, testserver.SMTPOptions{}).Addr)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"host": host, "port": port, "skipTLSVerify": "true",
		"emailFrom": "shop@example.com", "emailTo": "one@example.com", "subject": "conformance",
	}
}

func bucket(t *testing.T) map[string]string {
	server := testserver.S3(t)
	return map[string]string{
		"bucket": server.Bucket("conformance"), "endpoint": server.URL, "accessKey": server.AccessKey, "secretKey": server.SecretKey,
		"region": "us-east-1", "decodeBase64": "false", "encodeBase64": "false", "forcePathStyle": "true", "disableSSL": "true",
		"insecureSSL": "true",
	}
}

// feed is the plugin of the example with a feed that has one entry.
func feed(t *testing.T) opener {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := "[]"
		if r.URL.Query().Get("after") == "0" {
			list = `[{"number": 1, "data": "event"}]`
		}
		if _, err := io.WriteString(w, list); err != nil {
			t.Errorf("answering %s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	o, _ := plugin(t, "bindings.wasm", "../examples/component-binding/feed",
		"allowHosts", server.URL, "webhook", server.URL+"/hook", "feed", server.URL+"/feed", "interval", "100ms")
	return o
}
