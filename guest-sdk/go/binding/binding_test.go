//go:build !wasip1

package binding

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestInvoke(t *testing.T) {
	ResetFake()
	SetFake("files", Fake{
		"create": func(c Call) (*Reply, error) {
			return &Reply{Data: []byte(`{"fileName":"` + c.Metadata["fileName"] + `"}`)}, nil
		},
		"delete": func(Call) (*Reply, error) { return nil, nil },
		"get":    func(Call) (*Reply, error) { return nil, ErrNotFound },
	})
	reply, err := InvokeJSON("files", "create", map[string]int{"n": 1}, map[string]string{"fileName": "a"})
	var made struct{ FileName string }
	if err != nil || reply.Decode(&made) != nil || made.FileName != "a" {
		t.Errorf("create: got %+v, %v", reply, err)
	}
	if reply, err = Invoke("files", "delete", nil, nil); err != nil || reply == nil || reply.Data != nil || reply.Decode(&made) == nil {
		t.Errorf("delete: got %+v, %v", reply, err)
	}
	if reply, err = Invoke("other", "anything", nil, nil); err != nil || reply == nil {
		t.Errorf("a binding that was not set: got %+v, %v", reply, err)
	}
	if _, err = Invoke("files", "get", nil, nil); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "binding files: get") {
		t.Errorf("get: got %v", err)
	}
	if got, want := fmt.Sprint(Calls()), `[{files create [123 34 110 34 58 49 125] map[fileName:a]} {files delete [] map[]} {other anything [] map[]} {files get [] map[]}]`; got != want {
		t.Errorf("calls:\n got %s\nwant %s", got, want)
	}
}

func TestErrorsOfTheHost(t *testing.T) {
	err := wrap(&hostError{ErrInvalidRequest, "binding files: get: invalid request: metadata fileName is missing"}, "files", "get")
	if !errors.Is(err, ErrInvalidRequest) || err.Error() != "binding files: get: invalid request: metadata fileName is missing" {
		t.Errorf("got %v", err)
	}
}

func TestInvokeErrors(t *testing.T) {
	ResetFake()
	SetFake("files", Fake{"get": nil, "create": nil})
	if _, err := Invoke("files", "explode", nil, nil); !errors.Is(err, ErrUnknownOperation) || !strings.Contains(err.Error(), "it has create, get") {
		t.Errorf("unknown operation: got %v", err)
	}
	if ops, err := Operations("files"); err != nil || fmt.Sprint(ops) != "[create get]" {
		t.Errorf("operations: got %v, %v", ops, err)
	}
	if _, err := Operations("nope"); !errors.Is(err, ErrBindingNotFound) {
		t.Errorf("operations of an unknown binding: got %v", err)
	}
	if _, err := InvokeJSON("files", "create", func() {}, nil); err == nil {
		t.Error("a function was sent as JSON")
	}
	FailFake(ErrUnavailable)
	if _, err := Invoke("files", "get", nil, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := Operations("files"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
