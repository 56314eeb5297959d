package cabi

import "testing"

type shade uint8

func (shade) String() string { return "dark" }

func TestFailureText(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"string":   {&Failure[string]{Value: "no disk"}, "no disk"},
		"stringer": {&Failure[shade]{}, "dark"},
		"u32":      {&Failure[uint32]{Value: 7}, "failed: 7"},
		"u64":      {&Failure[uint64]{Value: 1 << 40}, "failed: 1099511627776"},
		"s32":      {&Failure[int32]{Value: -7}, "failed: -7"},
		"s64":      {&Failure[int64]{Value: -1 << 40}, "failed: -1099511627776"},
		"nothing":  {&Failure[struct{}]{}, "failed"},
		"a list":   {&Failure[[]byte]{}, "failed"},
	}
	for name, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%s: want %q, got %q", name, test.want, got)
		}
	}
}
