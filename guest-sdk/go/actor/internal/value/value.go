// Package value has the forms that values take on their way to an actor and back: bytes and strings as they are,
// nothing for struct{}, JSON for everything else. Which form a type has is found once, when a method is registered or
// a call is defined, so that a turn with bytes neither allocates nor reflects.
package value

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Payload is what is passed to a method and what it gives.
type Payload struct {
	// ContentType is for example "application/json"; it may be empty.
	ContentType string
	Data        []byte
}

// ID names an actor.
type ID struct{ Type, ID string }

// String gives type and id with a slash between.
func (id ID) String() string { return id.Type + "/" + id.ID }

// The content types of the forms.
const (
	typeBytes = "application/octet-stream"
	typeText  = "text/plain; charset=utf-8"
	typeJSON  = "application/json"
)

// Codec turns values of one type into payloads and back.
type Codec[T any] struct {
	Encode func(T) (Payload, error)
	Decode func(Payload) (T, error)
}

var (
	bytesCodec = Codec[[]byte]{
		Encode: func(v []byte) (Payload, error) { return Payload{typeBytes, v}, nil },
		Decode: func(p Payload) ([]byte, error) { return p.Data, nil },
	}
	textCodec = Codec[string]{
		Encode: func(v string) (Payload, error) { return Payload{typeText, []byte(v)}, nil },
		Decode: func(p Payload) (string, error) { return string(p.Data), nil },
	}
	noneCodec = Codec[struct{}]{
		Encode: func(struct{}) (Payload, error) { return Payload{}, nil },
		Decode: func(Payload) (struct{}, error) { return struct{}{}, nil },
	}
	intCodec     = Codec[int]{Encode: encodeInt[int], Decode: decodeInt[int]}
	int64Codec   = Codec[int64]{Encode: encodeInt[int64], Decode: decodeInt[int64]}
	payloadCodec = Codec[Payload]{
		Encode: func(v Payload) (Payload, error) { return v, nil },
		Decode: func(p Payload) (Payload, error) { return p, nil },
	}
)

// Of gives the codec of a type.
func Of[T any]() *Codec[T] {
	if c := raw[T](); c != nil {
		return c
	}
	return &Codec[T]{Encode: encodeJSON[T], Decode: decodeJSON[T]}
}

// raw gives the codec of a type that does without encoding/json, nil for the others.
func raw[T any]() *Codec[T] {
	var c any
	switch any((*T)(nil)).(type) {
	case *[]byte:
		c = &bytesCodec
	case *string:
		c = &textCodec
	case *struct{}:
		c = &noneCodec
	case *int:
		c = &intCodec
	case *int64:
		c = &int64Codec
	case *Payload:
		c = &payloadCodec
	default:
		return nil
	}
	out, _ := c.(*Codec[T])
	return out
}

// Encode gives a value's bytes.
func Encode[T any](v T) ([]byte, error) {
	if c := raw[T](); c != nil {
		p, err := c.Encode(v)
		return p.Data, err
	}
	p, err := encodeJSON(v)
	return p.Data, err
}

// Decode reads a value of bytes.
func Decode[T any](data []byte) (T, error) {
	if c := raw[T](); c != nil {
		return c.Decode(Payload{Data: data})
	}
	return decodeJSON[T](Payload{Data: data})
}

// EncodeAny is Encode for a value whose type is not known before; nil is no bytes.
func EncodeAny(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil, struct{}:
		return nil, nil
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	case Payload:
		return v.Data, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%T cannot be written as JSON: %w", v, err)
	}
	return text, nil
}

// DecodeInto reads bytes into what v points to.
func DecodeInto(data []byte, v any) error {
	switch v := v.(type) {
	case *[]byte:
		*v = data
		return nil
	case *string:
		*v = string(data)
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("not the JSON of %s: %w", strings.TrimPrefix(fmt.Sprintf("%T", v), "*"), err)
	}
	return nil
}

// Warm encodes and decodes a zero value, which fills what encoding/json remembers of a type. Nothing is done for types
// that do without.
func (c *Codec[T]) Warm() {
	if raw[T]() != nil {
		return
	}
	// The zero value may be one that the type's own methods cannot cope with; then the first call pays.
	defer func() { _ = recover() }()
	var zero T
	if p, err := c.Encode(zero); err == nil {
		_, _ = c.Decode(p)
	}
}

// encodeInt writes JSON as encoding/json does, at a tenth of what that costs in a guest.
func encodeInt[T int | int64](v T) (Payload, error) {
	return Payload{typeJSON, strconv.AppendInt(nil, int64(v), 10)}, nil
}

// decodeInt reads the digits of an integer itself, and leaves everything else to encoding/json.
func decodeInt[T int | int64](p Payload) (T, error) {
	digits := p.Data
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	// 15 digits fit in any case; a leading zero is no JSON.
	if len(digits) == 0 || len(digits) > 15 || digits[0] == '0' && len(digits) > 1 {
		return decodeJSON[T](p)
	}
	var v int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return decodeJSON[T](p)
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	if int64(T(v)) != v {
		return decodeJSON[T](p)
	}
	return T(v), nil
}

func encodeJSON[T any](v T) (Payload, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return Payload{}, fmt.Errorf("%s cannot be written as JSON: %w", name[T](), err)
	}
	return Payload{typeJSON, text}, nil
}

// decodeJSON reads JSON; no bytes are the zero value.
func decodeJSON[T any](p Payload) (T, error) {
	var v T
	if len(p.Data) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(p.Data, &v); err != nil {
		return v, fmt.Errorf("not the JSON of %s: %w", name[T](), err)
	}
	return v, nil
}

// name is a type as Go code names it.
func name[T any]() string { return strings.TrimPrefix(fmt.Sprintf("%T", (*T)(nil)), "*") }
