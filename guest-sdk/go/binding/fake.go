//go:build !wasip1

package binding

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Call is one call of a native build.
type Call struct {
	Binding, Operation string
	Data               []byte
	Metadata           map[string]string
}

// Fake is what a binding of a native build does, by operation. A nil reply is an empty one.
type Fake map[string]func(Call) (*Reply, error)

var fake struct {
	sync.Mutex
	calls    []Call
	bindings map[string]Fake
	fail     error
}

// SetFake gives native builds a binding, for tests. A binding that was not set takes every operation and gives an
// empty reply.
func SetFake(binding string, f Fake) {
	fake.Lock()
	defer fake.Unlock()
	if fake.bindings == nil {
		fake.bindings = map[string]Fake{}
	}
	fake.bindings[binding] = f
}

// Calls gives the calls of the native build since ResetFake, for tests.
func Calls() []Call {
	fake.Lock()
	defer fake.Unlock()
	return slices.Clone(fake.calls)
}

// ResetFake forgets calls and bindings. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	fake.calls, fake.bindings, fake.fail = nil, nil, nil
}

// FailFake makes every call of a native build fail with err until ResetFake.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func backendInvoke(binding, operation string, data []byte, metadata map[string]string) (*Reply, error) {
	call := Call{binding, operation, slices.Clone(data), maps.Clone(metadata)}
	do, err := record(call)
	if err != nil {
		return nil, err
	}
	reply := &Reply{}
	if do == nil {
		return reply, nil
	}
	// Without the lock: it may call another binding.
	got, err := do(call)
	if got != nil {
		reply = got
	}
	return reply, err
}

func record(call Call) (func(Call) (*Reply, error), error) {
	fake.Lock()
	defer fake.Unlock()
	if fake.fail != nil {
		return nil, fake.fail
	}
	fake.calls = append(fake.calls, call)
	ops, known := fake.bindings[call.Binding]
	if !known {
		return nil, nil
	}
	do, ok := ops[call.Operation]
	if !ok {
		return nil, fmt.Errorf("%w: it has %s", ErrUnknownOperation, strings.Join(slices.Sorted(maps.Keys(ops)), ", "))
	}
	return do, nil
}

func backendOperations(binding string) ([]string, error) {
	fake.Lock()
	defer fake.Unlock()
	ops, known := fake.bindings[binding]
	switch {
	case fake.fail != nil:
		return nil, fake.fail
	case !known:
		return nil, ErrBindingNotFound
	}
	return slices.Sorted(maps.Keys(ops)), nil
}
