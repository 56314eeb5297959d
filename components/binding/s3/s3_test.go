package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func tryOpen(t testing.TB, fields component.Metadata) (*bucket, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := Spec.New(ctx, component.Config{Name: "objects", Metadata: fields, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return b.(*bucket), nil
}

func opened(t testing.TB, fields component.Metadata) *bucket {
	t.Helper()
	b, err := tryOpen(t, fields)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return b
}

// using gives a binding that is closed at the end.
func using(t testing.TB, fields component.Metadata) *bucket {
	t.Helper()
	b := opened(t, fields)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// on gives the fields as a component file for Dapr has them.
func on(server *testserver.S3Server, more ...string) component.Metadata {
	m := component.Metadata{
		"bucket": "objects", "region": "us-east-1", "endpoint": server.URL, "accessKey": server.AccessKey, "secretKey": server.SecretKey,
		"forcePathStyle": "true",
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func request(op, data string, metadata ...string) *binding.Request {
	r := &binding.Request{Operation: op, Data: []byte(data), Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

func invoke(t *testing.T, b *bucket, op, data string, metadata ...string) *binding.Reply {
	t.Helper()
	reply, err := b.Invoke(t.Context(), request(op, data, metadata...))
	if err != nil {
		t.Fatalf("%s %v: %v", op, metadata, err)
	}
	return reply
}

func parsed[T any](t *testing.T, reply *binding.Reply) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(reply.Data, &v); err != nil {
		t.Fatalf("reply %s: %v", reply.Data, err)
	}
	return v
}

func TestConformance(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	key := func(name string) map[string]string { return map[string]string{"key": "some folder/" + name} }
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return opened(t, on(server)) }, bindingtest.Caps{
		Operations: []string{"create", "get", "delete", "list", "presign", "bulkGet", "bulkCreate", "bulkDelete"},
		Key:        key, Large: 5 << 20,
		Invalid: []binding.Request{
			*request("get", ""), *request("delete", ""), *request("presign", "", "presignTTL", "1m"), *request("presign", "", "key", "k"),
			*request("presign", "", "key", "k", "presignTTL", "soon"), *request("presign", "", "key", "k", "presignTTL", "-1s"),
			*request("presign", "", "key", "k", "presignTTL", "169h"), *request("create", "x", "key", "k", "presignTTL", "soon"),
			*request("create", "x", "key", "k", "tags", "a"), *request("create", "x", "key", "k", "tags", "a=1,=2"),
			*request("create", "x", "key", "k", "tags", "a=1,b="), *request("create", "!", "key", "k", "decodeBase64", "true"),
			*request("create", "", "key", "k", "filePath", "/etc/passwd"),
			*request("list", "no JSON"), *request("list", `{"maxResults": "many"}`),
			*request("bulkGet", ""), *request("bulkGet", `{"items": []}`), *request("bulkGet", `{"items": [{"key": "k"}], "concurrency": 0}`),
			*request("bulkCreate", "{}"), *request("bulkCreate", `{"items": [{"key": "k", "data": "x"}], "concurrency": -1}`),
			*request("bulkDelete", ""), *request("bulkDelete", `{"keys": []}`),
		},
		Missing: []binding.Request{*request("get", "", "key", "nope"), *request("get", "", "key", "no/such/object")},
		Stop:    func(testing.TB) { server.Stop() }, Start: func(testing.TB) { server.Start() },
	})
}

func TestFaults(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	faulttest.Run(t, server, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := b.Invoke(ctx, request("create", "v", "key", strconv.Itoa(n)))
			return err
		},
		Arrived: func(ctx context.Context) (map[int]bool, error) {
			got := map[int]bool{}
			for marker := ""; ; {
				page, err := b.page(ctx, listRequest{Marker: marker, MaxResults: maxResults})
				if err != nil {
					return nil, err
				}
				for _, object := range page.Contents {
					n, err := strconv.Atoi(object.Key)
					if err != nil || object.Size != 1 {
						return nil, fmt.Errorf("object %q of %d bytes, %w", object.Key, object.Size, err)
					}
					got[n] = true
					marker = object.Key
				}
				if !page.IsTruncated {
					return got, nil
				}
			}
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{server.AccessKey, server.SecretKey},
	})
}

func TestCreate(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	reply := invoke(t, b, "create", "hello", "key", "a b/ü.txt", "Content-Type", "text/x", "tags", "team=a b, x=1", "presignTTL", "15m")
	got := parsed[map[string]any](t, reply)
	if got["location"] != server.URL+"/objects/a%20b/%C3%BC.txt" || got["versionID"] != nil || reply.Metadata["key"] != "a b/ü.txt" {
		t.Errorf("reply: got %v, metadata %v", got, reply.Metadata)
	}
	if text := fetch(t, got["presignURL"].(string)); text != "hello" {
		t.Errorf("presignURL: got %q", text)
	}
	info, err := server.Client().StatObject(t.Context(), "objects", "a b/ü.txt", minio.StatObjectOptions{})
	if err != nil || info.ContentType != "text/x" || info.Size != 5 {
		t.Errorf("object: got %+v, %v", info, err)
	}
	tags, err := server.Client().GetObjectTagging(t.Context(), "objects", "a b/ü.txt", minio.GetObjectTaggingOptions{})
	if err != nil || len(tags.ToMap()) != 2 || tags.ToMap()["team"] != "a b" || tags.ToMap()["x"] != "1" {
		t.Errorf("tags: got %v, %v", tags, err)
	}
	// Without a key one is made up, and a text in JSON is stored without its quotes.
	reply, err = b.Invoke(t.Context(), &binding.Request{Operation: "create", Data: []byte(`"quoted \"text\""`), JSON: true})
	if err != nil || len(reply.Metadata["key"]) != 36 {
		t.Fatalf("create without a key: got %+v, %v", reply, err)
	}
	if got := invoke(t, b, "get", "", "key", reply.Metadata["key"]); string(got.Data) != `quoted "text"` {
		t.Errorf("got %s", got.Data)
	}
	if _, err := b.Invoke(t.Context(), &binding.Request{Operation: "create", Data: []byte(`"`), JSON: true}); !errors.Is(err, binding.ErrInvalid) {
		t.Errorf("a text without an end: got %v", err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPresign(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server, "presignTTL", "1h"))
	invoke(t, b, "create", "hello", "key", "k")
	got := parsed[map[string]string](t, invoke(t, b, "presign", "", "key", "k"))
	if fetch(t, got["presignURL"]) != "hello" || !strings.Contains(got["presignURL"], "X-Amz-Expires=3600") {
		t.Errorf("got %v", got)
	}
	got = parsed[map[string]string](t, invoke(t, b, "presign", "", "key", "k", "presignTTL", "90s"))
	if !strings.Contains(got["presignURL"], "X-Amz-Expires=90") {
		t.Errorf("the request's own time: got %v", got)
	}
	if text := fetch(t, got["presignURL"]+"0"); !strings.Contains(text, "SignatureDoesNotMatch") {
		t.Errorf("a signature that is not the server's: got %s", text)
	}
}

func TestBase64(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	both := using(t, on(server, "decodeBase64", "true", "encodeBase64", "true"))
	plain := using(t, on(server))
	invoke(t, both, "create", "aGVs\nbG8=", "key", "k")
	for _, test := range []struct {
		b        *bucket
		metadata []string
		want     string
	}{
		{both, nil, "aGVsbG8="},
		{both, []string{"encodeBase64", "false"}, "hello"},
		{plain, nil, "hello"},
		{plain, []string{"encodeBase64", "true"}, "aGVsbG8="},
	} {
		if got := invoke(t, test.b, "get", "", append(test.metadata, "key", "k")...); string(got.Data) != test.want {
			t.Errorf("%v: got %s, want %s", test.metadata, got.Data, test.want)
		}
	}
}

func TestList(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	if got := parsed[map[string]any](t, invoke(t, b, "list", "")); got["Contents"] != nil || got["IsTruncated"] != false {
		t.Errorf("an empty bucket: got %v", got)
	}
	keys := []string{"a/1", "a/2 +%", "b", "c/ü/x", "d"}
	for _, key := range keys {
		invoke(t, b, "create", "data of "+key, "key", key)
	}
	all := parsed[listPage](t, invoke(t, b, "list", "{}"))
	if got := names(all); !slices.Equal(got, keys) || all.MaxKeys != 1000 || all.Name != "objects" || all.IsTruncated {
		t.Errorf("all: got %q, %+v", got, all)
	}
	first := all.Contents[0]
	if first.Size != int64(len("data of a/1")) || first.ETag == "" || time.Since(first.LastModified) > time.Hour || time.Until(first.LastModified) > time.Hour {
		t.Errorf("first: got %+v", first)
	}
	folders := parsed[listPage](t, invoke(t, b, "list", `{"delimiter": "/"}`))
	if len(folders.CommonPrefixes) != 2 || folders.CommonPrefixes[0].Prefix != "a/" || folders.CommonPrefixes[1].Prefix != "c/" || len(folders.Contents) != 2 {
		t.Errorf("by folder: got %+v", folders)
	}
	below := parsed[listPage](t, invoke(t, b, "list", `{"prefix": "a/", "delimiter": "/"}`))
	if got := names(below); !slices.Equal(got, keys[:2]) || below.Prefix != "a/" || below.Delimiter != "/" {
		t.Errorf("below a/: got %q, %+v", got, below)
	}
	var got []string
	for marker := ""; ; {
		in, err := json.Marshal(listRequest{Marker: marker, MaxResults: 2})
		if err != nil {
			t.Fatal(err)
		}
		page := parsed[listPage](t, invoke(t, b, "list", string(in)))
		got = append(got, names(page)...)
		if !page.IsTruncated {
			break
		}
		marker = got[len(got)-1]
	}
	if !slices.Equal(got, keys) {
		t.Errorf("by pages of 2: got %q", got)
	}
}

// Servers that encode names, since not all of them can be in XML, are asked to.
func TestEncodedNames(t *testing.T) {
	page := &listPage{}
	err := xml.Unmarshal([]byte(`<ListBucketResult><EncodingType>url</EncodingType><Prefix>a+b</Prefix><NextMarker>d%01e</NextMarker>
		<Contents><Key>d%01e</Key></Contents><CommonPrefixes><Prefix>%2B/</Prefix></CommonPrefixes></ListBucketResult>`), page)
	if err = errors.Join(err, page.decode()); err != nil || page.Prefix != "a b" || *page.NextMarker != "d\x01e" || page.Contents[0].Key != "d\x01e" ||
		page.CommonPrefixes[0].Prefix != "+/" || page.EncodingType != nil {
		t.Errorf("got %+v, %v", page, err)
	}
	kind := "url"
	if err := (&listPage{EncodingType: &kind, Marker: "%zz"}).decode(); err == nil {
		t.Error("a name that is not encoded: got no error")
	}
}

func names(page listPage) []string {
	var out []string
	for _, object := range page.Contents {
		out = append(out, object.Key)
	}
	return out
}

func TestVersions(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	if err := server.Client().EnableVersioning(t.Context(), "objects"); err != nil {
		t.Fatal(err)
	}
	b := using(t, on(server))
	var versions [2]string
	for i := range versions {
		versions[i] = *parsed[created](t, invoke(t, b, "create", strconv.Itoa(i), "key", "k")).VersionID
	}
	for i, version := range versions {
		if got := invoke(t, b, "get", "", "key", "k", "versionID", version); string(got.Data) != strconv.Itoa(i) {
			t.Errorf("version %d: got %s", i, got.Data)
		}
	}
	invoke(t, b, "delete", "", "key", "k", "versionID", versions[1])
	if got := invoke(t, b, "get", "", "key", "k"); string(got.Data) != "0" {
		t.Errorf("after the newest version is deleted: got %s", got.Data)
	}
}

func TestLargeObject(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	data := bytes.Repeat([]byte("x"), binding.MaxData+1)
	_, err := server.Client().PutObject(t.Context(), "objects", "big", bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Invoke(t.Context(), request("get", "", "key", "big")); !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "presign gives a URL") {
		t.Errorf("get: got %v", err)
	}
	invoke(t, b, "create", string(data[1:]), "key", "just")
	got := parsed[[]bulkResult](t, invoke(t, b, "bulkGet", `{"items": [{"key": "just"}, {"key": "just"}], "concurrency": 1}`))
	if got[0].Error != "" || !strings.Contains(got[1].Error, "have together more than") {
		t.Errorf("bulkGet: got %.100q and %.100q", got[0].Error, got[1].Error)
	}
}
