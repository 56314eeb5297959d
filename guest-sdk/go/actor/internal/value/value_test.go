package value

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestInts compares with encoding/json, which is what integers are to look like.
func TestInts(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 7, -10, 1e15, math.MaxInt64, math.MinInt64} {
		text, err := Encode(v)
		if want, _ := json.Marshal(v); err != nil || string(text) != string(want) {
			t.Errorf("got %s, %v, want %s", text, err, want)
		}
		if got, err := Decode[int64](text); err != nil || got != v {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"0", "-0", "007", "-", "+1", " 5", "5 ", "1.0", "1e3", "null", "x", `"1"`, "0x1", "1_000", "999999999999999",
		"9223372036854775808", "-9223372036854775809", "123456789012345678",
	} {
		var want int
		wantErr := json.Unmarshal([]byte(text), &want)
		got, err := Decode[int]([]byte(text))
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%s: got %d, %v, want %d, %v", text, got, err, want, wantErr)
		}
		if err != nil && !strings.Contains(err.Error(), "not the JSON of int") {
			t.Errorf("%s: got %v, want the type in it", text, err)
		}
	}
	if got, err := Decode[int](nil); got != 0 || err != nil {
		t.Errorf("no bytes: got %d, %v, want zero", got, err)
	}
}

// TestForms writes and reads values of each form, by their type and as any.
func TestForms(t *testing.T) {
	type point struct{ X, Y int }
	tests := []struct {
		v    any
		text string
		into func([]byte) (any, error)
	}{
		{[]byte("b"), "b", func(b []byte) (any, error) { return Decode[[]byte](b) }},
		{"s", "s", func(b []byte) (any, error) { return Decode[string](b) }},
		{struct{}{}, "", func(b []byte) (any, error) { return Decode[struct{}](b) }},
		{7, "7", func(b []byte) (any, error) { return Decode[int](b) }},
		{true, "true", func(b []byte) (any, error) { return Decode[bool](b) }},
		{point{1, 2}, `{"X":1,"Y":2}`, func(b []byte) (any, error) { return Decode[point](b) }},
		{Payload{Data: []byte("p")}, "p", func(b []byte) (any, error) { return Decode[Payload](b) }},
		{nil, "", func(b []byte) (any, error) { return Decode[any](b) }},
	}
	for _, tt := range tests {
		text, err := EncodeAny(tt.v)
		if err != nil || string(text) != tt.text {
			t.Errorf("%T: got %q, %v, want %q", tt.v, text, err, tt.text)
		}
		if got, err := tt.into(text); err != nil || fmt.Sprint(got) != fmt.Sprint(tt.v) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, tt.v)
		}
	}
	var b []byte
	var s string
	if err := DecodeInto([]byte("x"), &b); err != nil || string(b) != "x" {
		t.Errorf("bytes: got %q, %v", b, err)
	}
	if err := DecodeInto([]byte("x"), &s); err != nil || s != "x" {
		t.Errorf("text: got %q, %v", s, err)
	}
	if err := DecodeInto([]byte("x"), new(point)); err == nil || !strings.HasPrefix(err.Error(), "not the JSON of value.point: ") {
		t.Errorf("got %v", err)
	}
	if _, err := Encode(make(chan int)); err == nil || !strings.HasPrefix(err.Error(), "chan int cannot be written as JSON") {
		t.Errorf("got %v", err)
	}
}
