package mongodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The fields of an entry; the first four are Dapr's.
const (
	fieldID    = "_id"
	fieldValue = "value"
	fieldTag   = "_etag"
	fieldEnd   = "_ttl"
	fieldExact = "_exact"
)

// The limits of what is stored as a document: the server's nesting is bounded, and the text may stand beside it in the same
// document of at most 16 MiB.
const (
	maxDepth = 64
	maxText  = 4 << 20
)

// encode gives a value for the field value, and whether it differs from the text once it is read back.
func encode(value []byte) (stored any, differs bool) {
	if !utf8.Valid(value) {
		return bson.Binary{Data: value}, false
	}
	if doc, ok := encodeObject(value); ok {
		raw, err := bson.Marshal(doc)
		if err == nil {
			text, err := appendJSON(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw})
			return bson.Raw(raw), err != nil || !bytes.Equal(text, value)
		}
	}
	return string(value), false
}

var errPlain = errors.New("cannot be a document")

// encodeObject gives a JSON object as a document; false if it is none, or one that databases do not take or do not give
// back as it was.
func encodeObject(value []byte) (bson.D, bool) {
	if trimmed := bytes.TrimLeft(value, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || len(value) > maxText || !json.Valid(value) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	v, err := decodeJSON(dec, 0)
	doc, ok := v.(bson.D)
	return doc, ok && err == nil
}

// decodeJSON reads the next value of valid JSON.
func decodeJSON(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errPlain
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return decodeFields(dec, depth)
		}
		list := bson.A{}
		for dec.More() {
			v, err := decodeJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	case json.Number:
		return number(string(t))
	default:
		return t, nil
	}
}

func decodeFields(dec *json.Decoder, depth int) (any, error) {
	doc := bson.D{}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if name == "" || name[0] == '$' || strings.ContainsAny(name, ".\x00") || seen[name] {
			return nil, errPlain
		}
		seen[name] = true
		v, err := decodeJSON(dec, depth+1)
		if err != nil {
			return nil, err
		}
		doc = append(doc, bson.E{Key: name, Value: v})
	}
	_, err := dec.Token()
	return doc, err
}

// number gives a JSON number as one of the database's; the error is for one that is beyond them.
func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && math.Signbit(f) {
		return nil, errPlain
	}
	return f, nil
}

// decode gives the value of an entry as bytes.
func decode(entry bson.Raw) ([]byte, error) {
	if err := entry.Validate(); err != nil {
		return nil, fmt.Errorf("the document in the database is damaged: %w", err)
	}
	v := entry.Lookup(fieldValue)
	switch v.Type {
	case bson.TypeString:
		return []byte(v.StringValue()), nil
	case bson.TypeBinary:
		_, data := v.Binary()
		return slices.Clone(data), nil
	default:
		return decodeDocument(entry, v)
	}
}

// decodeDocument gives a value that is neither a string nor binary data.
func decodeDocument(entry bson.Raw, v bson.RawValue) ([]byte, error) {
	if exact, ok := entry.Lookup(fieldExact).DocumentOK(); ok {
		// Another program, such as Dapr, may have written the entry since.
		tag, _ := exact.Lookup(fieldTag).StringValueOK()
		if text, ok := exact.Lookup(fieldValue).StringValueOK(); ok && tag == tagOf(entry) {
			return []byte(text), nil
		}
	}
	return appendJSON(nil, v)
}

func tagOf(entry bson.Raw) string {
	tag, _ := entry.Lookup(fieldTag).StringValueOK()
	return tag
}

// appendJSON writes a value of the database as JSON. What JSON has not becomes a string, or an object in the database's
// extended JSON.
func appendJSON(out []byte, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return appendList(out, bson.RawArray(v.Document()), '{', '}')
	case bson.TypeArray:
		return appendList(out, v.Array(), '[', ']')
	case bson.TypeNull, bson.TypeUndefined, 0:
		return append(out, "null"...), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(out, v.Boolean()), nil
	case bson.TypeInt32:
		return strconv.AppendInt(out, int64(v.Int32()), 10), nil
	case bson.TypeInt64:
		return strconv.AppendInt(out, v.Int64(), 10), nil
	case bson.TypeDouble:
		f := v.Double()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return append(out, "null"...), nil
		}
		return appendAny(out, f)
	case bson.TypeString:
		return appendAny(out, v.StringValue())
	case bson.TypeObjectID:
		return appendAny(out, v.ObjectID().Hex())
	case bson.TypeDateTime:
		return appendAny(out, v.Time().UTC().Format(time.RFC3339Nano))
	default:
		text := v.String()
		if !json.Valid([]byte(text)) {
			return appendAny(out, text)
		}
		return append(out, text...), nil
	}
}

func appendList(out []byte, list bson.RawArray, left, right byte) ([]byte, error) {
	elements, err := bson.Raw(list).Elements()
	if err != nil {
		return nil, fmt.Errorf("the document in the database is damaged: %w", err)
	}
	out = append(out, left)
	for i, e := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		if left == '{' {
			if out, err = appendAny(out, e.Key()); err != nil {
				return nil, err
			}
			out = append(out, ':')
		}
		if out, err = appendJSON(out, e.Value()); err != nil {
			return nil, err
		}
	}
	return append(out, right), nil
}

// appendAny writes a string or a number as most programs do: without escapes for HTML.
func appendAny(out []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return append(out, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...), nil
}
