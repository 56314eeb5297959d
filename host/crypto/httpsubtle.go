package crypto

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// request has the fields of all requests for single operations.
type request struct {
	name, keyName, algorithm    string
	format                      keyFormat
	data                        []byte // plaintext, ciphertext, plaintextKey, wrappedKey or digest
	nonce, tag, associated, sig []byte
}

// fields are the places of a request's fields by their names; those that mean the same never come together.
func (q *request) fields(op string) map[string]any {
	data := map[string]string{
		"encrypt": "plaintext", "decrypt": "ciphertext", "wrapkey": "plaintextKey", "unwrapkey": "wrappedKey", "sign": "digest", "verify": "digest",
	}
	if op == "getkey" {
		return map[string]any{"name": &q.name, "format": &q.format}
	}
	out := map[string]any{"keyName": &q.keyName, "algorithm": &q.algorithm, data[op]: &q.data}
	switch op {
	case "verify":
		out["signature"] = &q.sig
	case "encrypt", "wrapkey":
		out["nonce"], out["associatedData"] = &q.nonce, &q.associated
	case "decrypt", "unwrapkey":
		out["nonce"], out["associatedData"], out["tag"] = &q.nonce, &q.associated, &q.tag
	}
	return out
}

// readRequest gives the request's body; one without content has only empty fields.
func readRequest(r *http.Request) (*request, error) {
	text, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	op := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	q, err := parseRequest(op, text)
	if err != nil {
		return nil, &block.APIError{
			Status: http.StatusBadRequest, Code: codeMalformed, Message: "failed deserializing HTTP body: " + err.Error(),
		}
	}
	return q, nil
}

// parseRequest reads the JSON of a protocol buffer as Dapr does: fields have two names, and those that it does not know
// do not matter. Errors have nothing of the values, which may be secret.
func parseRequest(op string, text []byte) (*request, error) {
	q := &request{}
	if len(text) == 0 {
		return q, nil
	}
	if !utf8.Valid(text) {
		return nil, errors.New("it is not valid UTF-8")
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	if given == nil {
		return nil, errors.New("want a JSON object, found null")
	}
	fields := q.fields(op)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, ok := given[name]
		if proto := protoName(name); proto != name {
			other, both := given[proto]
			if ok && both {
				return nil, fmt.Errorf("%s is there twice, also as %s", name, proto)
			}
			if both {
				value, ok = other, true
			}
		}
		if !ok || string(value) == "null" {
			continue
		}
		if err := setField(fields[name], value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return q, nil
}

// protoName gives a field's name in the protocol buffer: key_name for keyName.
func protoName(name string) string {
	var out strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			out.WriteByte('_')
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}

func setField(place any, value json.RawMessage) (err error) {
	switch place := place.(type) {
	case *string:
		if json.Unmarshal(value, place) != nil {
			return errors.New("want a text")
		}
	case *[]byte:
		var text string
		if json.Unmarshal(value, &text) != nil {
			return errors.New("want bytes as text in base64")
		}
		*place, err = decodeBase64(text)
	case *keyFormat:
		*place, err = parseFormat(value)
	}
	return err
}

// decodeBase64 reads base64 with the standard or the URL alphabet, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	encoding := base64.StdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.URLEncoding
	}
	if len(text)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	out, err := encoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("want bytes as text in base64, found something else")
	}
	return out, nil
}

// invalidFormat is a number that no format has.
const invalidFormat keyFormat = -1

// parseFormat reads a form of keys by its name or its number. A name that does not exist is refused like a number that
// does not, though Dapr takes it for PEM.
func parseFormat(value json.RawMessage) (keyFormat, error) {
	var number json.Number
	var name string
	switch {
	case json.Unmarshal(value, &name) == nil:
		switch name {
		case "PEM":
			return formatPEM, nil
		case "JSON":
			return formatJWK, nil
		}
		return invalidFormat, nil
	case json.Unmarshal(value, &number) == nil:
		n, err := number.Float64()
		switch {
		case err == nil && n == 0:
			return formatPEM, nil
		case err == nil && n == 1:
			return formatJWK, nil
		}
		return invalidFormat, nil
	default:
		return 0, errors.New("want PEM, JSON, 0 or 1")
	}
}

// subtleHandler carries out an operation and gives the answer's JSON.
type subtleHandler func(ctx context.Context, p *bound, q *request) (any, error)

// subtleHandlers are the operations by the last part of their paths. Answers leave out what is empty, as Dapr's do: a
// signature that is not valid is {}.
func subtleHandlers() map[string]subtleHandler {
	return map[string]subtleHandler{
		"getkey": serveGetKey,
		"encrypt": func(ctx context.Context, p *bound, q *request) (any, error) {
			out, err := p.seal(ctx, p.encrypt, q.operation())
			return &struct {
				Ciphertext []byte `json:"ciphertext,omitempty"`
				Tag        []byte `json:"tag,omitempty"`
			}{out.Data, out.Tag}, operationError(err)
		},
		"decrypt": func(ctx context.Context, p *bound, q *request) (any, error) {
			out, err := p.open(ctx, p.decrypt, q.operation())
			return &struct {
				Plaintext []byte `json:"plaintext,omitempty"`
			}{out}, operationError(err)
		},
		"wrapkey": func(ctx context.Context, p *bound, q *request) (any, error) {
			out, err := p.wrapGiven(ctx, q.operation())
			return &struct {
				WrappedKey []byte `json:"wrappedKey,omitempty"`
				Tag        []byte `json:"tag,omitempty"`
			}{out.Data, out.Tag}, operationError(err)
		},
		"unwrapkey": func(ctx context.Context, p *bound, q *request) (any, error) {
			out, err := p.open(ctx, p.unwrapKey, q.operation())
			return &struct {
				PlaintextKey []byte `json:"plaintextKey,omitempty"`
			}{out}, operationError(err)
		},
		"sign": func(ctx context.Context, p *bound, q *request) (any, error) {
			out, err := p.signed(ctx, q.signing())
			return &struct {
				Signature []byte `json:"signature,omitempty"`
			}{out}, operationError(err)
		},
		"verify": func(ctx context.Context, p *bound, q *request) (any, error) {
			valid, err := p.verified(ctx, q.signing())
			return &struct {
				Valid bool `json:"valid,omitempty"`
			}{valid}, operationError(err)
		},
	}
}

func serveGetKey(ctx context.Context, p *bound, q *request) (any, error) {
	if q.format == invalidFormat {
		return nil, badRequest("invalid key format: want PEM or JSON")
	}
	name, text, err := p.publicKey(ctx, q.name, q.format)
	if err != nil {
		return nil, keyError(q.name, err)
	}
	return &struct {
		Name      string `json:"name,omitempty"`
		PublicKey string `json:"publicKey,omitempty"`
	}{name, text}, nil
}

func (q *request) operation() *Operation {
	return &Operation{Key: q.keyName, Algorithm: q.algorithm, Data: q.data, Tag: q.tag, Nonce: q.nonce, AssociatedData: q.associated}
}

func (q *request) signing() *signing {
	return &signing{key: q.keyName, algorithm: q.algorithm, digest: q.data, signature: q.sig}
}
