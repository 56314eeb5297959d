package s3

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func isPermanent(err error) bool {
	_, permanent := errors.AsType[*component.PermanentError](err)
	return permanent
}

func TestBadSettings(t *testing.T) {
	for _, test := range []struct{ field, value, want string }{
		{"bucket", "", "metadata field bucket is missing"},
		{"bucket", "No Bucket", "metadata field bucket"},
		{"accessKey", "", "want both; roles of AWS (of the machine, of a service account, assumeRoleArn, IAM Roles Anywhere) need the full flavour"},
		{"secretKey", "", "want both; roles of AWS"},
		{"assumeRoleArn", "arn:aws:iam::1:role/x", "accessKey and secretKey only; roles of AWS"},
		{"trustAnchorArn", "arn:aws:rolesanywhere:x", "need the full flavour"},
		{"trustProfileArn", "arn:aws:rolesanywhere:x", "need the full flavour"},
		{"filePath", "/etc/passwd", "metadata field filePath"},
		{"presignTTL", "soon", "presignTTL: want 1s to 168h"},
		{"forcePathStyle", "maybe", "metadata field forcePathStyle"},
		{"endpoint", "ftp://host", "metadata field endpoint"},
		{"endpoint", "http://host/path", "without a path"},
		{"endpoint", "http://", "metadata field endpoint"},
		{"endpoint", "http://u:planted@host", "without a user"},
		{"endpoint", "http://[::1", "metadata field endpoint"},
	} {
		fields := component.Metadata{"bucket": "objects", "accessKey": "planted-access", "secretKey": "planted-secret", "endpoint": "http://127.0.0.1:1"}
		fields[test.field] = test.value
		_, err := tryOpen(t, fields)
		if !isPermanent(err) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s %q: got %v, want a permanent error with %q", test.field, test.value, err, test.want)
		}
	}
}

// TestAddresses: where requests go, as the SDK of AWS has it.
func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		fields component.Metadata
		want   string
	}{
		{component.Metadata{"endpoint": "http://10.0.0.1:9000"}, "http://10.0.0.1:9000/objects/k"},
		{component.Metadata{"endpoint": "http://[::1]:9000/"}, "http://[::1]:9000/objects/k"},
		{component.Metadata{"endpoint": "http://s3.test:9000"}, "http://objects.s3.test:9000/k"},
		{component.Metadata{"endpoint": "http://s3.test:9000", "forcePathStyle": "true"}, "http://s3.test:9000/objects/k"},
		{component.Metadata{"endpoint": "s3.test"}, "https://objects.s3.test/k"},
		{component.Metadata{"endpoint": "s3.test", "disableSSL": "true"}, "http://objects.s3.test/k"},
		{component.Metadata{"endpoint": "https://s3.test", "disableSSL": "true"}, "https://objects.s3.test/k"},
		{component.Metadata{"endpoint": "https://s3.test", "bucket": "a.b"}, "https://s3.test/a.b/k"},
		{component.Metadata{"region": "eu-central-1"}, "https://objects.s3.dualstack.eu-central-1.amazonaws.com/k"},
		{component.Metadata{"awsRegion": "eu-central-1", "forcePathStyle": "true"}, "https://s3.dualstack.eu-central-1.amazonaws.com/objects/k"},
	} {
		cfg := component.Config{Metadata: component.Metadata{"bucket": "objects", "accessKey": "a", "secretKey": "s", "sessionToken": "session"}}
		maps.Copy(cfg.Metadata, test.fields)
		s := &settings{}
		if err := errors.Join(cfg.Decode(s), s.check()); err != nil {
			t.Errorf("%v: %v", test.fields, err)
			continue
		}
		client, err := s.client(s.transport())
		if err != nil {
			t.Errorf("%v: %v", test.fields, err)
			continue
		}
		u, err := client.PresignedGetObject(t.Context(), s.Bucket, "k", time.Minute, nil)
		if err != nil {
			t.Errorf("%v: %v", test.fields, err)
			continue
		}
		if u.Query().Get("X-Amz-Security-Token") != "session" {
			t.Errorf("%v: no session token in %s", test.fields, u)
		}
		if u.RawQuery = ""; u.String() != test.want {
			t.Errorf("%v: got %s, want %s", test.fields, u, test.want)
		}
	}
}

func TestOpenFails(t *testing.T) {
	server, secure := testserver.S3(t), testserver.S3TLS(t)
	server.Bucket("objects")
	secure.Bucket("objects")
	for _, test := range []struct {
		name      string
		fields    component.Metadata
		want      string
		permanent bool
	}{
		{"wrong access key", on(server, "accessKey", "planted-wrong"), "refuses the credentials; check accessKey, secretKey", true},
		{"wrong secret key", on(server, "secretKey", "planted-wrong"), "refuses the credentials; check accessKey, secretKey", true},
		{"no bucket", on(server, "bucket", "nothing"), "there is no such bucket; create it", true},
		{"wrong region", on(server, "region", "eu-north-1"), "check region", true},
		{"server away", on(server, "endpoint", fmt.Sprintf("http://127.0.0.1:%d", testserver.FreePort(t))), "does not answer; check endpoint", false},
		{"no TLS there", on(server, "endpoint", server.Addr), "does not answer; check endpoint, disableSSL", false},
		{"TLS there", on(secure, "endpoint", "http://"+secure.Addr), "check endpoint", false},
		{"untrusted", on(secure), "certificate is not trusted; have the system trust its authority, or set insecureSSL", true},
		{"no such host", on(server, "endpoint", "http://s3.invalid:1", "forcePathStyle", "false"), "does not answer", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryOpen(t, test.fields)
			if err == nil || !strings.Contains(err.Error(), test.want) || isPermanent(err) != test.permanent {
				t.Errorf("got %v, want an error with %q, permanent: %t", err, test.want, test.permanent)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "planted") || strings.Contains(fmt.Sprint(err), "X-Amz-") {
				t.Errorf("the error has a secret or a signature: %v", err)
			}
		})
	}
	b := using(t, on(secure, "insecureSSL", "true"))
	invoke(t, b, "create", "x", "key", "k")
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestWhileTheServerIsAway: every operation fails with the error that says so, in which no signed URL is.
func TestWhileTheServerIsAway(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	server.Stop()
	for _, req := range []*binding.Request{
		request("create", "x", "key", "k"), request("get", "", "key", "k"), request("delete", "", "key", "k"), request("list", ""),
	} {
		_, err := b.Invoke(t.Context(), req)
		if !errors.Is(err, binding.ErrUnavailable) || strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "X-Amz-") {
			t.Errorf("%s: got %v", req.Operation, err)
		}
	}
	for _, req := range []*binding.Request{
		request("bulkCreate", `{"items": [{"key": "k", "data": "x"}]}`), request("bulkGet", `{"items": [{"key": "k"}]}`), request("bulkDelete", `{"keys": ["k"]}`),
	} {
		reply, err := b.Invoke(t.Context(), req)
		if err != nil || !strings.Contains(string(reply.Data), `"error":"unavailable: `) || strings.Contains(string(reply.Data), "planted") {
			t.Errorf("%s: got %+v, %v", req.Operation, reply, err)
		}
	}
	if err := b.Ping(t.Context()); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("ping: got %v", err)
	}
}
