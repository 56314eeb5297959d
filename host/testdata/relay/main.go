// Command relay plays every part of a chain of calls, and does what a request says to a state store.
package main

import (
	"errors"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke/service"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	http.Handle(func(r *http.Request) *http.Response {
		switch r.Path[strings.LastIndexByte(r.Path, '/')+1:] {
		case "chain":
			return chain(r)
		case "add":
			return add(r)
		case "state":
			return do(r)
		default:
			return http.Error(404, "no route %s", r.Path)
		}
	})
	service.JSON("publish", func(id string) (string, error) {
		return id, pubsub.PublishJSON("", "steps", id)
	})
	subscriber.Handle("/step", func(e *subscriber.Event) error {
		var id string
		if err := e.Decode(&id); err != nil {
			return subscriber.Drop(err)
		}
		log.Info("step", "id", id)
		return state.Default.Set("done/"+id, e.Data)
	})
}

func main() {}

// chain goes on by way of a second app, which publishes to a third.
func chain(r *http.Request) *http.Response {
	id := string(r.Body)
	if err := state.SetJSON(state.Default, "begun/"+id, id); err != nil {
		return http.Error(503, "%v", err)
	}
	if _, err := invoke.JSON[string]("second", "publish", id); err != nil {
		return http.Error(502, "%v", err)
	}
	return http.JSON(200, id)
}

// Counters are written together or not at all.
type Counters struct{ A, B int }

// add adds 1 to two keys and writes one new key, in one transaction under both etags.
func add(r *http.Request) *http.Response {
	store := state.Open(r.QueryValue("store"))
	for {
		a, tagA, errA := state.GetJSON[int](store, "{c}a")
		b, tagB, errB := state.GetJSON[int](store, "{c}b")
		condition := func(tag string, err error) state.Option {
			if errors.Is(err, state.ErrNotFound) {
				return state.IfAbsent()
			}
			return state.IfMatch(tag)
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, state.ErrNotFound) {
				return http.Error(503, "%v", err)
			}
		}
		err := store.Transact(state.PutJSON("{c}a", a+1, condition(tagA, errA)), state.PutJSON("{c}b", b+1, condition(tagB, errB)),
			state.Put("{c}log/"+string(r.Body), nil, state.IfAbsent()))
		switch {
		case err == nil:
			return http.JSON(200, Counters{a + 1, b + 1})
		case !errors.Is(err, state.ErrETagMismatch):
			return http.Error(503, "%v", err)
		}
	}
}

// Command is one thing to do to a store.
type Command struct {
	Do, Store, Key, Value, ETag, Query, Token string
	First                                     bool
	TTL, Limit                                int
	Keys                                      []string
}

// Reply is what came of it.
type Reply struct {
	Value, ETag, Next string            `json:",omitempty"`
	Metadata          map[string]string `json:",omitempty"`
	Keys              []string          `json:",omitempty"`
	Failed            map[string]string `json:",omitempty"`
}

func do(r *http.Request) *http.Response {
	var c Command
	if err := r.Decode(&c); err != nil {
		return http.Error(400, "%v", err)
	}
	reply, err := c.run()
	if err != nil {
		return http.Error(status(err), "%v", err)
	}
	return http.JSON(200, reply)
}

func status(err error) int {
	for is, code := range map[error]int{
		state.ErrNotFound: 404, state.ErrStoreNotFound: 410, state.ErrETagMismatch: 409, state.ErrInvalidETag: 422,
		state.ErrInvalidKey: 400, state.ErrInvalidRequest: 400, state.ErrNotSupported: 501, state.ErrUnavailable: 503,
	} {
		if errors.Is(err, is) {
			return code
		}
	}
	return 500
}

func (c *Command) options() []state.Option {
	var out []state.Option
	if c.ETag != "" {
		out = append(out, state.IfMatch(c.ETag))
	}
	if c.First {
		out = append(out, state.WithConcurrency(state.FirstWrite))
	}
	if c.TTL != 0 {
		out = append(out, state.WithTTL(time.Duration(c.TTL)*time.Second))
	}
	return out
}

func (c *Command) run() (out Reply, err error) {
	store := state.Open(c.Store)
	switch c.Do {
	case "get":
		var e state.Entry
		e, err = store.Get(c.Key, state.WithConsistency(state.Strong))
		out = Reply{Value: string(e.Value), ETag: e.ETag, Metadata: e.Metadata}
	case "set":
		err = store.Set(c.Key, []byte(c.Value), c.options()...)
	case "delete":
		err = store.Delete(c.Key, c.options()...)
	case "list":
		var page state.Page
		page, err = store.List(c.Key, c.Limit, c.Token)
		out = Reply{Keys: page.Keys, Next: page.Next}
	case "query":
		var page state.QueryPage
		page, err = store.Query(c.Query)
		out.Next = page.Token
		for _, item := range page.Items {
			out.Keys = append(out.Keys, item.Key)
		}
	default:
		err = c.bulk(store, &out)
	}
	return out, err
}

func (c *Command) bulk(store state.Store, out *Reply) error {
	var failed map[string]error
	var err error
	switch c.Do {
	case "bulk-get":
		var all []state.Result
		all, err = store.BulkGet(c.Keys...)
		failed = map[string]error{}
		for _, r := range all {
			out.Keys = append(out.Keys, string(r.Value))
			if r.Err != nil {
				failed[r.Key] = r.Err
			}
		}
	case "bulk-set":
		ops := make([]state.Op, len(c.Keys))
		for i, key := range c.Keys {
			ops[i] = state.Put(key, []byte(c.Value), c.options()...)
		}
		failed, err = store.BulkSet(ops...)
	case "bulk-delete":
		failed, err = store.BulkDelete(c.Keys...)
	default:
		err = errors.New("cannot " + c.Do)
	}
	for key, why := range failed {
		if out.Failed == nil {
			out.Failed = map[string]string{}
		}
		out.Failed[key] = why.Error()
	}
	return err
}
