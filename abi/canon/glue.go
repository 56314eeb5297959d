package canon

import (
	"fmt"
	"unsafe"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Result is a result<T, E> that is not the result of a function: in a field, a list or a parameter. A side without
// type is struct{}.
type Result[T, E any] struct {
	// OK is the value if Err is nil.
	OK T
	// Err is the error; nil for ok.
	Err *E
}

// Failure is the error of a guest's function whose WIT error type is no error by itself.
type Failure[E any] struct {
	// Value is the guest's error value.
	Value E
}

// Error gives the value as text.
func (f *Failure[E]) Error() string {
	if _, empty := any(f.Value).(struct{}); empty {
		return "failed"
	}
	return fmt.Sprint(f.Value)
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

// New makes the value that an option's some or a Result's error points to, on the budget of the call.
func New[T any](l *Lift) *T {
	v := new(T)
	l.charge(uint64(max(unsafe.Sizeof(*v), 1)))
	return v
}

// Name is deferred by an import's glue: it notes the function's name in an *abi.Trap that passes and has none.
func Name(fn string) {
	switch p := recover().(type) {
	case nil:
	case *abi.Trap:
		if p.Func == "" {
			p.Func = fn
		}
		panic(p)
	default:
		panic(p)
	}
}

// Catch is deferred by the typed caller of an export: it makes *err of an *abi.Trap that lowering or lifting panics
// with, and notes the function's name in it if it has none. Other panics pass.
func Catch(fn string, err *error) {
	switch p := recover().(type) {
	case nil:
	case *abi.Trap:
		if p.Func == "" {
			p.Func = fn
		}
		*err = p
	default:
		panic(p)
	}
}
