// A binding over the state store that metadata "store" names: objects that can be created, read and deleted, and events
// that the operation emit brings.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin/testdata/queue"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/input"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/output"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

type objects struct {
	q   queue.Queue
	sub *queue.Sub[driver.Event]
}

func init() {
	o := &objects{}
	output.Register(o)
	input.Register(o)
}

func main() {}

const topic = "events"

func (o *objects) Init(metadata map[string]string) (err error) {
	o.q.Store = state.Open(metadata["store"])
	if consumer := metadata["consumer"]; consumer != "" {
		o.sub, err = queue.Subscribe[driver.Event](o.q, topic, consumer)
	}
	return err
}

func (o *objects) Operations() []string { return []string{"create", "get", "delete", "emit"} }

func (o *objects) Invoke(r driver.Request) (*driver.Reply, error) {
	if r.Operation == "emit" {
		return nil, o.q.Add(topic, driver.Event{Data: r.Data, ContentType: "text/plain", Metadata: map[string]string{"at": time.Now().String()}})
	}
	key := r.Metadata["name"]
	if key == "" {
		return nil, fmt.Errorf("%w: metadata name is missing", binding.ErrInvalidRequest)
	}
	key = "object " + key
	switch r.Operation {
	case "create":
		return nil, o.q.Store.Set(key, r.Data)
	case "delete":
		return nil, o.q.Store.Delete(key)
	}
	e, err := o.q.Store.Get(key)
	if errors.Is(err, state.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no object %s", binding.ErrNotFound, r.Metadata["name"])
	}
	if err != nil {
		return nil, err
	}
	if e.Value == nil {
		e.Value = []byte{}
	}
	return &driver.Reply{Data: e.Value, ContentType: "application/octet-stream", Metadata: map[string]string{"etag": e.ETag}}, nil
}

func (o *objects) Pull(limit int, wait time.Duration) ([]driver.Event, error) {
	got, err := o.sub.Pull(limit, wait)
	out := make([]driver.Event, len(got))
	for i, t := range got {
		out[i] = t.Value
		out[i].ID = t.ID
	}
	return out, err
}

func (o *objects) Settle(id string, handled bool) error { return o.sub.Settle(id, handled) }
