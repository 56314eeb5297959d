package s3

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// listRequest is the data of list.
type listRequest struct {
	Marker     string `json:"marker"`
	Prefix     string `json:"prefix"`
	MaxResults int32  `json:"maxResults"`
	Delimiter  string `json:"delimiter"`
}

// listPage is the reply of list. The names of its fields are those of the protocol's XML and, as Dapr gives them, of JSON.
type listPage struct {
	CommonPrefixes []struct{ Prefix string }
	Contents       []struct {
		ETag         string
		Key          string
		LastModified time.Time
		Owner        *struct{ DisplayName, ID string }
		Size         int64
		StorageClass string
	}
	Delimiter    string
	EncodingType *string
	IsTruncated  bool
	Marker       string
	MaxKeys      int32
	Name         string
	NextMarker   *string
	Prefix       string
}

// maxResults is the length of a page where the request says none; no server gives more.
const maxResults = 1000

func (b *bucket) list(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	in := listRequest{}
	if len(req.Data) > 0 {
		if err := json.Unmarshal(req.Data, &in); err != nil {
			return nil, fmt.Errorf("%w: data: want {\"prefix\", \"marker\", \"delimiter\", \"maxResults\"}: %w", binding.ErrInvalid, err)
		}
	}
	if in.MaxResults < 1 {
		in.MaxResults = maxResults
	}
	page, err := b.page(ctx, in)
	if err != nil {
		return nil, err
	}
	return jsonReply(page)
}

// page asks for a list. The client library's functions for that either take no context or no delimiter, so it only signs
// the request.
func (b *bucket) page(ctx context.Context, in listRequest) (*listPage, error) {
	query := url.Values{
		"prefix": {in.Prefix}, "delimiter": {in.Delimiter}, "max-keys": {strconv.Itoa(int(in.MaxResults))},
		"encoding-type": {"url"}, // not every key can be in XML
	}
	if in.Marker != "" {
		query.Set("marker", in.Marker)
	}
	signed, err := b.client.Presign(ctx, http.MethodGet, b.s.Bucket, "", time.Minute, query)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, signed.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: b.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, binding.MaxData))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, answer(resp, body)
	}
	page := &listPage{}
	if err := xml.Unmarshal(body, page); err != nil {
		return nil, fmt.Errorf("the server's list is no list of objects: %w", err)
	}
	return page, page.decode()
}

// answer gives the error that the server tells.
func answer(resp *http.Response, body []byte) error {
	out := minio.ErrorResponse{}
	if err := xml.Unmarshal(body, &out); err != nil || out.Code == "" {
		out.Code, out.Message = resp.Status, "the server answers "+resp.Status
	}
	out.StatusCode = resp.StatusCode
	return out
}

// decode takes back the encoding that was asked for.
func (p *listPage) decode() error {
	if p.EncodingType == nil || *p.EncodingType != "url" {
		return nil
	}
	p.EncodingType = nil
	texts := []*string{&p.Delimiter, &p.Marker, &p.Prefix}
	if p.NextMarker != nil {
		texts = append(texts, p.NextMarker)
	}
	for i := range p.Contents {
		texts = append(texts, &p.Contents[i].Key)
	}
	for i := range p.CommonPrefixes {
		texts = append(texts, &p.CommonPrefixes[i].Prefix)
	}
	for _, text := range texts {
		plain, err := url.QueryUnescape(*text)
		if err != nil {
			return fmt.Errorf("the server's list has %q, which is not encoded as for URLs: %w", *text, err)
		}
		*text = plain
	}
	return nil
}
