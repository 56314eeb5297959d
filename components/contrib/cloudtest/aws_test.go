package cloudtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	s3binding "github.com/dapr/components-contrib/bindings/aws/s3"
	"github.com/dapr/components-contrib/pubsub/aws/snssqs"
	"github.com/dapr/components-contrib/secretstores/aws/secretmanager"
	"github.com/dapr/components-contrib/state/aws/dynamodb"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

const patience = 60 * time.Second

// Credentials that the emulator takes, as it takes any.
const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "planted-secret-key-of-aws"
	region    = "us-east-1"
)

// One server for all tests; it ends with the process.
var aws = sync.OnceValue(func() string { return testserver.Moto(testserver.Shared).URL })

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

// open opens a driver on the emulator.
func open[T any](t *testing.T, spec component.Spec[T], fields component.Metadata) T {
	t.Helper()
	md := component.Metadata{"region": region, "accessKey": accessKey, "secretKey": secretKey, "endpoint": aws()}
	maps.Copy(md, fields)
	var lines bytes.Buffer
	driver, err := spec.New(t.Context(), component.Config{
		Name: "cloud", Type: spec.Type, Metadata: md, InitTimeout: patience,
		Log: slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c, ok := any(driver).(interface{ Close(context.Context) error }); ok {
			if err := c.Close(context.Background()); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if strings.Contains(lines.String(), secretKey) {
			t.Errorf("the log has the credential:\n%s", &lines)
		}
	})
	return driver
}

// call calls an AWS service of JSON protocol without a client library.
func call(t *testing.T, service, version, target, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, aws(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Content-Type", "application/x-amz-json-"+version)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+accessKey+"/20260101/"+region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", target, resp.Status, text)
	}
}

func TestSecretManager(t *testing.T) {
	call(t, "secretsmanager", "1.1", "secretsmanager.CreateSecret", `{"Name":"db","SecretString":"hunter2","ClientRequestToken":"0f8fad5b-d9cb-469f-a165-70867728950e"}`)
	call(t, "secretsmanager", "1.1", "secretsmanager.CreateSecret", `{"Name":"api","SecretString":"token","ClientRequestToken":"0f8fad5b-d9cb-469f-a165-70867728950f"}`)
	store := open(t, adapt.Secret("secretstores.aws.secretmanager", secretmanager.NewSecretManager), nil)
	got, err := store.Get(t.Context(), "db", nil)
	if err != nil || got["db"] != "hunter2" {
		t.Errorf("got %v, %v; want hunter2", got, err)
	}
	all, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil)
	if err != nil || all["db"]["db"] != "hunter2" || all["api"]["api"] != "token" {
		t.Errorf("bulk: got %v, %v; want both secrets", all, err)
	}
	if _, err := store.Get(t.Context(), "none", nil); err == nil || strings.Contains(err.Error(), secretKey) {
		t.Errorf("a secret that does not exist: got %v, want an error without credentials", err)
	}
}

func TestDynamoDB(t *testing.T) {
	call(t, "dynamodb", "1.0", "DynamoDB_20120810.CreateTable", `{"TableName":"shop","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"key","AttributeType":"S"}],"KeySchema":[{"AttributeName":"key","KeyType":"HASH"}]}`)
	store := open(t, adapt.State("state.aws.dynamodb", dynamodb.NewDynamoDBStateStore), component.Metadata{"table": "shop", "ttlAttributeName": "expiresAt"})
	ctx := t.Context()
	if e, err := store.Get(ctx, state.GetRequest{Key: "none"}); e != nil || err != nil {
		t.Errorf("a key that does not exist: got %v, %v", e, err)
	}
	if err := store.Set(ctx, state.SetRequest{Key: "a", Value: []byte(`{"n":1}`)}); err != nil {
		t.Fatal(err)
	}
	e, err := store.Get(ctx, state.GetRequest{Key: "a", Consistency: state.Strong})
	if err != nil || e == nil || string(e.Value) != `{"n":1}` || e.ETag == nil {
		t.Fatalf("got %v, %v; want what was set, with an etag", e, err)
	}
	wrong := "wrong"
	if err := store.Set(ctx, state.SetRequest{Key: "a", Value: []byte(`2`), ETag: &wrong}); !errors.Is(err, state.ErrETagMismatch) {
		t.Errorf("a wrong etag: got %v, want ErrETagMismatch", err)
	}
	if err := store.Set(ctx, state.SetRequest{Key: "a", Value: []byte(`2`), ETag: e.ETag}); err != nil {
		t.Errorf("the current etag: %v", err)
	}
	if err := store.Set(ctx, state.SetRequest{Key: "a", Value: []byte(`3`), Concurrency: state.FirstWrite}); err == nil {
		t.Error("first-write of a key that exists: got no error") // the component says what DynamoDB says, not that it is the etag
	}
	minute := time.Minute
	if err := store.Set(ctx, state.SetRequest{Key: "short", Value: []byte(`1`), TTL: &minute}); err != nil {
		t.Errorf("ttl: %v", err)
	}
	tx, ok := state.As[state.Transactor](store)
	if !ok {
		t.Fatal("the store has no transactions")
	}
	err = tx.Transact(ctx, []state.Operation{
		{Upsert: &state.SetRequest{Key: "b", Value: []byte(`"x"`)}}, {Delete: &state.DeleteRequest{Key: "a"}},
	}, nil)
	if err != nil {
		t.Fatalf("transaction: %v", err)
	}
	many, err := store.(state.BulkGetter).BulkGet(ctx, []state.GetRequest{{Key: "a"}, {Key: "b"}})
	if err != nil || len(many) != 2 || many[0] != nil || many[1] == nil || string(many[1].Value) != `"x"` {
		t.Errorf("after the transaction: got %v, %v; want b alone", many, err)
	}
}

func TestS3(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, aws()+"/files", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("making the bucket: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	b := open(t, adapt.Output("bindings.aws.s3", s3binding.NewAWSS3), component.Metadata{"bucket": "files", "forcePathStyle": "true"})
	out := b.(binding.Output)
	for _, op := range []string{"create", "get", "list", "delete"} {
		if !slices.Contains(out.Operations(), op) {
			t.Errorf("operations: got %v, want %s among them", out.Operations(), op)
		}
	}
	invoke := func(op string, data []byte) ([]byte, error) {
		r, err := out.Invoke(t.Context(), &binding.Request{Operation: op, Data: data, Metadata: map[string]string{"key": "a/b.txt"}})
		if err != nil || r == nil {
			return nil, err
		}
		return r.Data, nil
	}
	if _, err := invoke("create", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := invoke("get", nil); err != nil || string(got) != "hello" {
		t.Errorf("get: got %q, %v", got, err)
	}
	if got, err := invoke("list", nil); err != nil || !strings.Contains(string(got), "a/b.txt") {
		t.Errorf("list: got %s, %v", got, err)
	}
	if _, err := invoke("delete", nil); err != nil {
		t.Errorf("delete: %v", err)
	}
	if got, err := invoke("get", nil); err == nil {
		t.Errorf("get after delete: got %q, want an error", got)
	}
}

func TestSNSSQS(t *testing.T) {
	b := open(t, adapt.PubSub("pubsub.aws.snssqs", snssqs.NewSnsSqs), component.Metadata{
		"messageVisibilityTimeout": "1", "messageWaitTimeSeconds": "1", "messageRetryLimit": "20",
	})
	got, refused := make(chan string, 100), sync.Once{}
	consumer, err := b.Subscribe(t.Context(), pubsub.Subscription{Topic: "orders", Consumer: "shop"}, func(_ context.Context, msg pubsub.Message) (err error) {
		refused.Do(func() { err = errors.New("refused once") })
		if err == nil {
			got <- string(msg.Data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "two", "three"}
	for _, text := range want {
		if err := b.Publish(t.Context(), pubsub.Message{Topic: "orders", Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for deadline := time.After(patience); len(seen) < len(want); {
		select {
		case text := <-got:
			seen[text] = true
		case <-deadline:
			t.Fatalf("got %v within %s, want %v: the refused one again too", seen, patience, want)
		}
	}
	if err := consumer.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}
