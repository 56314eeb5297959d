package cabi

import "strconv"

// Result is a result<T, E> that is not the result of a function: in a field, a list or a parameter. A side without
// type is struct{}.
type Result[T, E any] struct {
	// OK is the value if Err is nil.
	OK T
	// Err is the error; nil for ok.
	Err *E
}

// Failure is the error of a host function whose WIT error type is no error by itself.
type Failure[E any] struct {
	// Value is the host's error value.
	Value E
}

// Error gives the value as text if it is a string, an integer or has a String method.
func (f *Failure[E]) Error() string {
	switch v := any(f.Value).(type) {
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	case uint32:
		return "failed: " + strconv.FormatUint(uint64(v), 10)
	case uint64:
		return "failed: " + strconv.FormatUint(v, 10)
	case int32:
		return "failed: " + strconv.FormatInt(int64(v), 10)
	case int64:
		return "failed: " + strconv.FormatInt(v, 10)
	default:
		return "failed"
	}
}

// Tuple1 is a tuple<A>.
type Tuple1[A any] struct {
	F0 A
}

// Tuple2 is a tuple<A, B>.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

// Tuple3 is a tuple of 3.
type Tuple3[A, B, C any] struct {
	F0 A
	F1 B
	F2 C
}

// Tuple4 is a tuple of 4.
type Tuple4[A, B, C, D any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
}

// Tuple5 is a tuple of 5.
type Tuple5[A, B, C, D, E any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
}

// Tuple6 is a tuple of 6.
type Tuple6[A, B, C, D, E, F any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
}

// Tuple7 is a tuple of 7.
type Tuple7[A, B, C, D, E, F, G any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
}

// Tuple8 is a tuple of 8.
type Tuple8[A, B, C, D, E, F, G, H any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
	F7 H
}
