// Package s3 is the driver bindings.s3: objects in a bucket of Amazon S3, or of any store that speaks its protocol. A
// component file for Dapr's bindings.aws.s3 works as it is, if it has its keys in it.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type:    "bindings.s3",
	Aliases: []string{"bindings.aws.s3"},
	Doc: `Objects in a bucket of Amazon S3, or of another store with its protocol (endpoint).

Operations: create, get, delete, list, presign, bulkGet, bulkCreate, bulkDelete, with the requests and replies of Dapr's
bindings.aws.s3. The request's metadata: key (create makes one up without it), Content-Type, tags (a=1,b=2), storageClass,
presignTTL (such as 15m; needed for presign, and has create give a URL too), decodeBase64, encodeBase64, versionID (for
get and delete). list takes {"prefix", "marker", "delimiter", "maxResults"} as data. Requests cannot name files of this
machine (filePath): an app sees none.
Keys (accessKey, secretKey, perhaps sessionToken) are the only way to log in. For roles of AWS use the full flavour of
the program, where the type bindings.aws.s3 is Dapr's own.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, component.Permanent(err)
	}
	b := &bucket{s: s, log: cfg.Log, transport: s.transport()}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if b.client, err = s.client(b.transport); err != nil {
		return nil, component.Permanent(err)
	}
	if s.InsecureSSL {
		b.log.Warn("insecureSSL: the server's certificate is not checked, so anybody may pose as it")
	}
	if err := b.Ping(ctx); err != nil {
		b.transport.CloseIdleConnections()
		return nil, b.explain(err)
	}
	return b, nil
}

// bucket is the driver.
type bucket struct {
	s         *settings
	log       *slog.Logger
	client    *minio.Client
	transport *http.Transport
}

var (
	_ binding.Binding = (*bucket)(nil)
	_ binding.Output  = (*bucket)(nil)
	_ binding.Pinger  = (*bucket)(nil)
)

type operation func(*bucket, context.Context, *binding.Request) (*binding.Reply, error)

var operations = []struct {
	name string
	do   operation
}{
	{"create", (*bucket).create},
	{"get", (*bucket).get},
	{"delete", (*bucket).delete},
	{"list", (*bucket).list},
	{"presign", (*bucket).presign},
	{"bulkGet", (*bucket).bulkGet},
	{"bulkCreate", (*bucket).bulkCreate},
	{"bulkDelete", (*bucket).bulkDelete},
}

// Operations lists what Invoke takes.
func (b *bucket) Operations() []string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.name
	}
	return names
}

// maxCall bounds a call where the caller has set no end.
const maxCall = 5 * time.Minute

func (b *bucket) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	for _, op := range operations {
		if op.name != req.Operation {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		inner, cancel := context.WithTimeout(ctx, maxCall)
		defer cancel()
		reply, err := op.do(b, inner, req)
		return reply, b.failure(ctx, err)
	}
	return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: b.Operations()}
}

// Ping asks for a list of one object. That the keys may not list is fine: they may be for other operations.
func (b *bucket) Ping(ctx context.Context) error {
	inner, cancel := context.WithTimeout(ctx, headerTimeout)
	defer cancel()
	var err error
	for object := range b.client.ListObjectsIter(inner, b.s.Bucket, minio.ListObjectsOptions{MaxKeys: 1, Recursive: true, UseV1: true}) {
		err = object.Err
		break
	}
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok && answer.Code == "AccessDenied" {
		return nil
	}
	return b.failure(ctx, err)
}

// Close closes all connections.
func (b *bucket) Close(context.Context) error {
	b.transport.CloseIdleConnections()
	return nil
}

// explain says of a failed start what to do.
func (b *bucket) explain(err error) error {
	answer, _ := errors.AsType[minio.ErrorResponse](err)
	where := fmt.Sprintf("bucket %s at %s", b.s.Bucket, b.client.EndpointURL().Host)
	switch {
	case refusals[answer.Code]:
		return component.Permanent(fmt.Errorf("%s: the server refuses the credentials; check accessKey, secretKey, sessionToken and this machine's clock: %w", where, err))
	case answer.Code == minio.NoSuchBucket:
		return component.Permanent(fmt.Errorf("%s: there is no such bucket; create it, or check bucket and endpoint: %w", where, err))
	case wrongRegion(answer):
		return component.Permanent(fmt.Errorf("%s: it is in another region; check region: %w", where, err))
	case untrusted(err):
		return component.Permanent(fmt.Errorf("%s: the server's certificate is not trusted; have the system trust its authority, or set insecureSSL for tests: %w", where, err))
	default:
		return fmt.Errorf("%s does not answer; check endpoint, disableSSL and forcePathStyle, and that the server runs: %w", where, err)
	}
}
