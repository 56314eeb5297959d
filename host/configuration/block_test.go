package configuration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
)

func TestGet(t *testing.T) {
	f := prepare(t, types[0], configurationtest.NewApp("one")).start()
	f.set("a", "1")
	f.set("b", "2")
	items, err := f.host["one"].Get(t.Context(), "", []string{"b", "missing", "a"}, nil)
	if got := sorted(items); err != nil || !slices.Equal(got, []string{"a=1", "b=2"}) {
		t.Errorf("get: got %v, error %v", got, err)
	}
	items, err = f.host["one"].Get(t.Context(), "configstore", nil, nil)
	if got := sorted(items); err != nil || !slices.Equal(got, []string{"a=1", "b=2"}) || items[0].Version == "" {
		t.Errorf("get all: got %v, error %v, want both with versions", items, err)
	}
}

func TestErrors(t *testing.T) {
	deaf := configurationtest.NewApp("deaf")
	deaf.Deaf = true
	f := prepare(t, types[0], configurationtest.NewApp("one"), deaf).start()
	many := make([]string, 10_001)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	get := func(store string, keys ...string) *abiconfiguration.Error {
		_, err := f.host["one"].Get(t.Context(), store, keys, nil)
		return err
	}
	subscribe := func(app, store string, keys ...string) *abiconfiguration.Error {
		_, err := f.host[app].Subscribe(t.Context(), store, keys, nil)
		return err
	}
	for _, tc := range []struct {
		name string
		err  *abiconfiguration.Error
		tag  abiconfiguration.ErrorTag
		text string
	}{
		{"unknown store", get("nope"), abiconfiguration.ErrorStoreNotFound, `"nope" is not found for app one: it sees configstore`},
		{"empty key", get("", "a", ""), abiconfiguration.ErrorInvalidRequest, "key 2 of 2 is empty"},
		{"long key", get("", strings.Repeat("k", 5000)), abiconfiguration.ErrorInvalidRequest, "has 5000 bytes, want 4096 or fewer"},
		{"not UTF-8", get("", "\xff"), abiconfiguration.ErrorInvalidRequest, "is not valid UTF-8"},
		{"many keys", get("", many...), abiconfiguration.ErrorInvalidRequest, "10001 keys, want 10000 or fewer"},
		{"subscribe to an unknown store", subscribe("one", "nope"), abiconfiguration.ErrorStoreNotFound, "it sees configstore"},
		{"subscribe to an empty key", subscribe("one", "", ""), abiconfiguration.ErrorInvalidRequest, "key 1 of 1 is empty"},
		{"subscribe without a handler", subscribe("deaf", ""), abiconfiguration.ErrorInvalidRequest, "app deaf does not export mrt:configuration/handler@0.1.0; handle changes in it"},
		{"unknown id", f.host["one"].Unsubscribe(t.Context(), "", "x"), abiconfiguration.ErrorSubscriptionNotFound, `"x"`},
	} {
		if tc.err == nil || tc.err.Tag != tc.tag || !strings.Contains(tc.err.Value, tc.text) {
			t.Errorf("%s: got %v, want %s with %q", tc.name, tc.err, tc.tag, tc.text)
		}
	}
	f.faulty.fail(errDown)
	for name, err := range map[string]*abiconfiguration.Error{"get": get("", "a"), "subscribe": subscribe("one", "", "a")} {
		if err == nil || err.Tag != abiconfiguration.ErrorUnavailable || !strings.Contains(err.Value, "the cable is out") {
			t.Errorf("%s without a store: got %v, want unavailable", name, err)
		}
	}
	if err := f.Ready(t.Context()); !errors.Is(err, configuration.ErrUnavailable) || !strings.Contains(err.Error(), "configuration store configstore") {
		t.Errorf("ready: got %v", err)
	}
	f.faulty.fail(nil)
	if err := f.Ready(t.Context()); err != nil {
		t.Errorf("ready: got %v", err)
	}
}

// TestChanges: the present values first, then what changes, and nothing after the end.
func TestChanges(t *testing.T) {
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			one, two := configurationtest.NewApp("one"), configurationtest.NewApp("two")
			f := prepare(t, typ, one, two).start()
			f.set("a", "1")
			f.set("b", "1")
			id := f.subscribe("one", "b", "a", "c")
			if again := f.subscribe("one", "c", "a", "b", "a"); again != id {
				t.Errorf("subscribed to the same keys again: got id %s, want %s", again, id)
			}
			if got := one.Next(t); got.String() != "a=1 b=1" || got.Store != "configstore" || got.ID != id || got.Items[0].Version == "" {
				t.Errorf("present values: got %+v", got)
			}
			if other := f.subscribe("two"); other == id {
				t.Error("another app has the same id")
			}
			two.Until(t, "a=1 b=1")
			f.set("a", "2")
			one.Until(t, "a=2")
			two.Until(t, "a=2") // each is waited for, or two would come as one change
			f.set("other", "x")
			two.Until(t, "other=x")
			f.drop("b")
			one.Until(t, "-b")
			two.Until(t, "-b")
			f.set("c", "")
			one.Until(t, "c=")
			two.Until(t, "c=")
			if err := f.host["two"].Unsubscribe(t.Context(), "", id); err == nil || err.Tag != abiconfiguration.ErrorSubscriptionNotFound {
				t.Errorf("unsubscribe of another app's: got %v, want subscription-not-found", err)
			}
			if err := f.host["one"].Unsubscribe(t.Context(), "", id); err != nil {
				t.Errorf("unsubscribe: %v", err)
			}
			if err := f.host["one"].Unsubscribe(t.Context(), "", id); err == nil || err.Tag != abiconfiguration.ErrorSubscriptionNotFound {
				t.Errorf("unsubscribe again: got %v, want subscription-not-found", err)
			}
			f.set("a", "after")
			two.Until(t, "a=after")
			one.Nothing(t)
			if again := f.subscribe("one", "a", "b", "c"); again != id {
				t.Errorf("subscribed anew: got id %s, want %s", again, id)
			}
			if got := one.Next(t); got.String() != "a=after c=" {
				t.Errorf("present values after subscribing anew: got %s", got)
			}
		})
	}
}

// TestRestart: what happened while the host was away is delivered, once, and what was delivered is not.
func TestRestart(t *testing.T) {
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			one := configurationtest.NewApp("one")
			f := prepare(t, typ, one).start()
			f.set("a", "1")
			f.set("b", "1")
			f.set("same", "1")
			id := f.subscribe("one", "a", "b", "c", "same")
			one.Until(t, "a=1 b=1 same=1")
			f.stop()
			f.set("a", "2")
			f.set("a", "3")
			f.drop("b")
			f.set("c", "new")
			f.start()
			if got := one.Next(t); got.String() != "a=3 -b c=new" || got.ID != id {
				t.Errorf("after the restart: got %+v", got)
			}
			if again := f.subscribe("one", "a", "b", "c", "same"); again != id {
				t.Errorf("subscribed again after the restart: got id %s, want %s", again, id)
			}
			f.stop()
			f.start()
			f.set("c", "newer")
			if got := one.Next(t); got.String() != "c=newer" {
				t.Errorf("after the second restart: got %s, want only what is new", got)
			}
			if err := f.host["one"].Unsubscribe(t.Context(), "configstore", id); err != nil {
				t.Fatal(err)
			}
			f.stop()
			f.set("a", "4")
			f.start()
			f.subscribe("one", "c")
			if got := one.Next(t); got.String() != "c=newer" {
				t.Errorf("after unsubscribing and a restart: got %s, want nothing of the old subscription", got)
			}
		})
	}
}

// TestCrash: a change that the app had not finished with when the host died comes again.
func TestCrash(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	f.set("a", "1")
	f.subscribe("one", "a")
	one.Until(t, "a=1")
	entered := make(chan struct{}, 100)
	one.Answer(func(ctx context.Context, _ configurationtest.Change) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	f.set("a", "2")
	<-entered
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.trig[0].Stop(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("stop while the app works: got error %v, want that time is over", err)
	}
	f.trig = nil
	f.stop()
	one.Answer(nil)
	f.start()
	one.Until(t, "a=2")
}

// TestAppFails: a change comes until the app has taken it; of several that wait, the newest.
func TestAppFails(t *testing.T) {
	for name, failure := range map[string]error{
		"error": errors.New("not now"), "trap": &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			one := configurationtest.NewApp("one")
			f := prepare(t, types[0], one).start()
			f.set("a", "0")
			f.subscribe("one", "a", "b")
			one.Until(t, "a=0")
			var tries atomic.Int64
			one.Answer(func(context.Context, configurationtest.Change) error {
				tries.Add(1)
				return failure
			})
			f.set("a", "1")
			eventually(t, "three tries", func() bool { return tries.Load() >= 3 })
			f.set("a", "2")
			f.set("b", "1")
			one.Answer(nil)
			got := one.Until(t, "a=2 b=1")
			if len(got) != 1 && !slices.Equal(got, []string{"a=1", "a=2 b=1"}) {
				t.Errorf("got %q, want the newest values last and nothing else", got)
			}
			if !f.logs.contains("configuration changes are not delivered yet; trying again") {
				t.Error("the failure is not in the log")
			}
		})
	}
}

// TestOverloaded: a full queue is waited for.
func TestOverloaded(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	var refused atomic.Int64
	one.Admit(func() error {
		if refused.Add(1) <= 5 {
			return &block.ErrOverloaded{App: "one", RetryAfter: time.Millisecond}
		}
		return nil
	})
	f.set("a", "1")
	f.subscribe("one")
	one.Until(t, "a=1")
	if n := refused.Load(); n != 6 {
		t.Errorf("got %d calls, want 5 refused and one taken", n)
	}
}

// TestStoreFails: changes made while the store cannot be read are delivered when it can.
func TestStoreFails(t *testing.T) {
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			one := configurationtest.NewApp("one")
			f := prepare(t, typ, one).start()
			f.set("a", "1")
			f.subscribe("one", "a", "b")
			one.Until(t, "a=1")
			f.faulty.fail(errDown)
			f.set("a", "2")
			f.set("b", "2")
			eventually(t, "a log line", func() bool { return f.logs.contains("the cable is out") })
			f.drop("b")
			one.Nothing(t)
			f.faulty.fail(nil)
			one.Until(t, "a=2")
			// Down when the host starts: it goes on as soon as the store is there.
			f.stop()
			f.set("a", "3")
			f.start()
			f.faulty.fail(errDown)
			f.set("b", "3")
			f.faulty.fail(nil)
			seen := map[string]bool{}
			for !seen["a=3"] || !seen["b=3"] {
				for change := range strings.FieldsSeq(one.Next(t).String()) {
					seen[change] = true
				}
			}
		})
	}
}

// TestOrder: the values of a key never go back, and the last one arrives, however slow the app is.
func TestOrder(t *testing.T) {
	for _, typ := range types {
		t.Run(typ, func(t *testing.T) {
			one := configurationtest.NewApp("one")
			f := prepare(t, typ, one).start()
			f.subscribe("one")
			const n = 100
			go func() {
				for i := range n {
					for _, key := range []string{"x", "y"} {
						if err := f.outside.Set(t.Context(), key, fmt.Sprintf("%03d", i), nil); err != nil {
							t.Errorf("set: %v", err)
						}
					}
				}
			}()
			last := map[string]string{}
			for last["x"] != fmt.Sprintf("%03d", n-1) || last["y"] != fmt.Sprintf("%03d", n-1) {
				for _, item := range one.Next(t).Items {
					if item.Value <= last[item.Key] {
						t.Errorf("%s: got %s after %s", item.Key, item.Value, last[item.Key])
					}
					last[item.Key] = item.Value
				}
			}
		})
	}
}

// TestCallsFromHandler: an app may end and make subscriptions while it handles a change.
func TestCallsFromHandler(t *testing.T) {
	one := configurationtest.NewApp("one")
	f := prepare(t, types[0], one).start()
	f.set("a", "1")
	f.set("b", "1")
	one.Answer(func(ctx context.Context, c configurationtest.Change) error {
		if c.String() != "a=1" {
			return nil
		}
		if err := f.host["one"].Unsubscribe(ctx, "", c.ID); err != nil {
			return err
		}
		if _, err := f.host["one"].Subscribe(ctx, "", []string{"b"}, nil); err != nil {
			return err
		}
		return nil
	})
	f.subscribe("one", "a")
	// b comes as soon as its subscription is there, which is before the handler of a has ended.
	for missing := map[string]bool{"a=1": true, "b=1": true}; len(missing) > 0; {
		delete(missing, one.Next(t).String())
	}
	eventually(t, "one watch", func() bool {
		f.faulty.mu.Lock()
		defer f.faulty.mu.Unlock()
		return f.faulty.subs == 1
	})
	f.set("a", "2")
	f.set("b", "2")
	if got := one.Until(t, "b=2"); len(got) != 1 {
		t.Errorf("got %q, want only b: the subscription to a is over", got)
	}
}
