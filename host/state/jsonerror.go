package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// jsonError says what is wrong with a JSON text in words of JSON, where encoding/json speaks of Go types.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("unexpected end of JSON input")
	}
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	where := ""
	if e.Field != "" {
		where = e.Field + ": "
	}
	return fmt.Errorf("%swant %s, found %s before byte %d", where, jsonKind(e.Type), e.Value, e.Offset)
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Pointer:
		return jsonKind(t.Elem())
	default:
		return "an integer"
	}
}
