package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// The request's metadata.
const (
	keyField          = "key"
	contentTypeField  = "Content-Type"
	tagsField         = "tags"
	storageClassField = "storageClass"
	presignTTLField   = "presignTTL"
	decodeField       = "decodeBase64"
	encodeField       = "encodeBase64"
	versionField      = "versionID"
	filePathField     = "filePath"
)

// with gives a setting of the component, or that of the request.
func with(setting string, req *binding.Request, field string) string {
	if said := req.Metadata[field]; said != "" {
		return said
	}
	return setting
}

// withBool is with for what is true or false.
func withBool(setting bool, req *binding.Request, field string) bool {
	switch strings.ToLower(strings.TrimSpace(req.Metadata[field])) {
	case "":
		return setting
	case "y", "yes", "true", "t", "on", "1":
		return true
	default:
		return false
	}
}

func keyOf(req *binding.Request) (string, error) {
	key := req.Metadata[keyField]
	if key == "" {
		return "", fmt.Errorf("%w: metadata %s is missing: the object's name", binding.ErrInvalid, keyField)
	}
	return key, nil
}

// created is the reply of create.
type created struct {
	Location   string  `json:"location"`
	VersionID  *string `json:"versionID"`
	PresignURL string  `json:"presignURL,omitempty"`
}

func (b *bucket) create(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	key := req.Metadata[keyField]
	if key == "" {
		key = uuid.NewString()
	}
	if req.Metadata[filePathField] != "" {
		return nil, errFilePath
	}
	data, err := b.content(req)
	if err != nil {
		return nil, err
	}
	tags, err := tagsOf(req.Metadata[tagsField])
	if err != nil {
		return nil, err
	}
	ttl := with(b.s.PresignTTL, req, presignTTLField)
	if _, err := presignTTL(ttl); ttl != "" && err != nil { // before anything is stored
		return nil, err
	}
	info, err := b.put(ctx, key, data, minio.PutObjectOptions{
		ContentType: strings.TrimSpace(req.Metadata[contentTypeField]), UserTags: tags, StorageClass: with(b.s.StorageClass, req, storageClassField),
	})
	if err != nil {
		return nil, err
	}
	answer := created{Location: b.location(key)}
	if info.VersionID != "" {
		answer.VersionID = &info.VersionID
	}
	if ttl != "" {
		if answer.PresignURL, err = b.signed(ctx, key, ttl); err != nil {
			return nil, err
		}
	}
	reply, err := jsonReply(answer)
	if err == nil {
		reply.Metadata = map[string]string{keyField: key}
	}
	return reply, err
}

var errFilePath = fmt.Errorf("%w: metadata %s: files of this machine are not read or written; give the data in the request", binding.ErrInvalid, filePathField)

// put stores an object by one request, so that it is there whole or not at all.
func (b *bucket) put(ctx context.Context, key string, data []byte, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	opts.DisableMultipart = true
	return b.client.PutObject(ctx, b.s.Bucket, key, bytes.NewReader(data), int64(len(data)), opts)
}

// content is what create stores: a JSON text is stored without its quotes.
func (b *bucket) content(req *binding.Request) ([]byte, error) {
	data := req.Data
	if req.JSON && len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return nil, fmt.Errorf("%w: data: %w", binding.ErrInvalid, err)
		}
		data = []byte(text)
	}
	if !withBool(b.s.DecodeBase64, req, decodeField) {
		return data, nil
	}
	return decoded(data)
}

func decoded(data []byte) ([]byte, error) {
	out, err := base64.StdEncoding.AppendDecode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("%w: data: want base64, since %s is true: %w", binding.ErrInvalid, decodeField, err)
	}
	return out, nil
}

// tagsOf reads a=1,b=2.
func tagsOf(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	tags := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%w: metadata %s: want name=value, several separated by commas; found %q", binding.ErrInvalid, tagsField, pair)
		}
		tags[name] = value
	}
	return tags, nil
}

// location is the object's URL, for people; whether it can be read there is another matter.
func (b *bucket) location(key string) string {
	path := (&url.URL{Path: "/" + key}).EscapedPath()
	u := b.client.EndpointURL()
	if b.s.lookup(u) == minio.BucketLookupPath {
		return u.Scheme + "://" + u.Host + "/" + b.s.Bucket + path
	}
	return u.Scheme + "://" + b.s.Bucket + "." + u.Host + path
}

func (b *bucket) get(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	key, err := keyOf(req)
	if err != nil {
		return nil, err
	}
	data, err := b.read(ctx, key, req.Metadata[versionField])
	if err != nil {
		return nil, err
	}
	if withBool(b.s.EncodeBase64, req, encodeField) {
		data = base64.StdEncoding.AppendEncode(nil, data)
	}
	return &binding.Reply{Data: data}, nil
}

func (b *bucket) read(ctx context.Context, key, version string) ([]byte, error) {
	object, err := b.client.GetObject(ctx, b.s.Bucket, key, minio.GetObjectOptions{VersionID: version})
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Close() }()
	data, err := io.ReadAll(io.LimitReader(object, binding.MaxData+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > binding.MaxData:
		return nil, fmt.Errorf("%w: object %q has more than %d bytes, which is the most an app can take; presign gives a URL for it", binding.ErrInvalid, key, binding.MaxData)
	case data == nil:
		return []byte{}, nil
	}
	return data, nil
}

// delete deletes an object; that there is none is fine, as for the server.
func (b *bucket) delete(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	key, err := keyOf(req)
	if err != nil {
		return nil, err
	}
	return nil, b.client.RemoveObject(ctx, b.s.Bucket, key, minio.RemoveObjectOptions{VersionID: req.Metadata[versionField]})
}

func (b *bucket) presign(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	key, err := keyOf(req)
	if err != nil {
		return nil, err
	}
	signed, err := b.signed(ctx, key, with(b.s.PresignTTL, req, presignTTLField))
	if err != nil {
		return nil, err
	}
	return jsonReply(map[string]string{"presignURL": signed})
}

// signed gives a URL by which anybody can read the object for a time.
func (b *bucket) signed(ctx context.Context, key, text string) (string, error) {
	ttl, err := presignTTL(text)
	if err != nil {
		return "", err
	}
	u, err := b.client.PresignedGetObject(ctx, b.s.Bucket, key, ttl, nil)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func presignTTL(text string) (time.Duration, error) {
	const most = 7 * 24 * time.Hour
	if text == "" {
		return 0, fmt.Errorf("%w: metadata %s is missing: how long the URL is good, for example 15m", binding.ErrInvalid, presignTTLField)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > most {
		return 0, fmt.Errorf("%w: %s: want 1s to 168h, for example 15m; found %q", binding.ErrInvalid, presignTTLField, text)
	}
	return d, nil
}

func jsonReply(v any) (*binding.Reply, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Data: data, ContentType: "application/json"}, nil
}
