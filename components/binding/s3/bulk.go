package s3

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// How many objects of a bulk operation are on their way at once: what the request says, or the default.
const (
	defaultConcurrency = 10
	maxConcurrency     = 64
)

// bulkItem is one object of bulkGet or bulkCreate.
type bulkItem struct {
	Key         string  `json:"key"`
	Data        *string `json:"data"`
	ContentType string  `json:"contentType"`
	FilePath    *string `json:"filePath"`
}

// bulkResult is what became of one object.
type bulkResult struct {
	Key      string `json:"key"`
	Data     string `json:"data,omitempty"`
	Location string `json:"location,omitempty"`
	Error    string `json:"error,omitempty"`
}

// bulk does something with each item of a request and gives the results in their order.
func (b *bucket) bulk(ctx context.Context, req *binding.Request, do func(ctx context.Context, item bulkItem, out *bulkResult) error) (*binding.Reply, error) {
	in := struct {
		Items       []bulkItem `json:"items"`
		Concurrency *int       `json:"concurrency"`
	}{}
	if err := json.Unmarshal(req.Data, &in); err != nil {
		return nil, fmt.Errorf("%w: data: want {\"items\": [{\"key\": text}], \"concurrency\": number}: %w", binding.ErrInvalid, err)
	}
	if len(in.Items) == 0 {
		return nil, fmt.Errorf("%w: data: items: want at least one", binding.ErrInvalid)
	}
	limit := defaultConcurrency
	if in.Concurrency != nil {
		if limit = min(*in.Concurrency, maxConcurrency); limit < 1 {
			return nil, fmt.Errorf("%w: data: concurrency: want 1 or more, found %d", binding.ErrInvalid, limit)
		}
	}
	results := make([]bulkResult, len(in.Items))
	var g errgroup.Group
	g.SetLimit(limit)
	for i, item := range in.Items {
		g.Go(func() error {
			out := &results[i]
			out.Key = item.Key
			switch {
			case item.Key == "":
				out.Error = "key is missing"
			case item.FilePath != nil:
				out.Error = errFilePath.Error()
			default:
				if err := b.failure(ctx, do(ctx, item, out)); err != nil {
					out.Error = err.Error()
				}
			}
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in the results
	return jsonReply(results)
}

func (b *bucket) bulkGet(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	encode := withBool(b.s.EncodeBase64, req, encodeField)
	var total atomic.Int64
	return b.bulk(ctx, req, func(ctx context.Context, item bulkItem, out *bulkResult) error {
		if total.Load() > binding.MaxData {
			return errTogether
		}
		data, err := b.read(ctx, item.Key, "")
		if err != nil {
			return err
		}
		if total.Add(int64(len(data))) > binding.MaxData {
			return errTogether
		}
		if out.Data = string(data); encode {
			out.Data = base64.StdEncoding.EncodeToString(data)
		}
		return nil
	})
}

var errTogether = fmt.Errorf("%w: the objects have together more than %d bytes, which is the most an app can take", binding.ErrInvalid, binding.MaxData)

func (b *bucket) bulkCreate(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	decode := withBool(b.s.DecodeBase64, req, decodeField)
	opts := minio.PutObjectOptions{StorageClass: with(b.s.StorageClass, req, storageClassField)}
	return b.bulk(ctx, req, func(ctx context.Context, item bulkItem, out *bulkResult) error {
		if item.Data == nil {
			return fmt.Errorf("%w: data is missing", binding.ErrInvalid)
		}
		data := []byte(*item.Data)
		if decode {
			var err error
			if data, err = decoded(data); err != nil {
				return err
			}
		}
		opts := opts
		opts.ContentType = item.ContentType
		_, err := b.put(ctx, item.Key, data, opts)
		if err == nil {
			out.Location = b.location(item.Key)
		}
		return err
	})
}

func (b *bucket) bulkDelete(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	in := struct {
		Keys []string `json:"keys"`
	}{}
	if err := json.Unmarshal(req.Data, &in); err != nil {
		return nil, fmt.Errorf("%w: data: want {\"keys\": [text]}: %w", binding.ErrInvalid, err)
	}
	if len(in.Keys) == 0 {
		return nil, fmt.Errorf("%w: data: keys: want at least one", binding.ErrInvalid)
	}
	failed, err := b.remove(ctx, in.Keys)
	if err != nil {
		return nil, err
	}
	results := make([]bulkResult, len(in.Keys))
	for i, key := range in.Keys {
		results[i] = bulkResult{Key: key, Error: failed[key]}
		if strings.TrimSpace(key) == "" {
			results[i].Error = "key is missing"
		}
	}
	return jsonReply(results)
}

// remove deletes objects, a thousand in a request, and gives what went wrong with which.
func (b *bucket) remove(ctx context.Context, keys []string) (failed map[string]string, err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	keys = slices.DeleteFunc(keys, func(key string) bool { return strings.TrimSpace(key) == "" })
	failed = map[string]string{}
	if len(keys) == 0 {
		return failed, nil
	}
	results, err := b.client.RemoveObjectsWithIter(ctx, b.s.Bucket, func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: key}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	var last error
	for result := range results {
		if result.Err = b.failure(ctx, result.Err); result.Err != nil {
			failed[result.ObjectName], last = result.Err.Error(), result.Err
		}
		done[result.ObjectName] = true
	}
	for _, key := range keys {
		if !done[key] && last == nil {
			last = ctx.Err()
		}
		if !done[key] && failed[key] == "" {
			failed[key] = fmt.Sprintf("it was not deleted: %v", last)
		}
	}
	return failed, ctx.Err()
}
