package pubsub_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// TestRequestReply answers a request with the event that an app got; its extensions travel, and those that are the
// event's own do not.
func TestRequestReply(t *testing.T) {
	set, err := component.NewSet("pubsub", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var topics []string
	for range 2 { // the topic for replies is the same when the host starts again
		b, err := pubsub.New(t.Context(), pubsub.Config{
			Drivers: set, Apps: []string{"asker", "answerer"}, Env: component.Env{DataDir: dir},
			Decls:         []component.Decl{{Name: "pubsub", Type: memory.Spec.Type, Where: "test"}},
			Subscriptions: []pubsub.SubscriptionDecl{{Name: "s", PubSub: "pubsub", Topic: "q", Scopes: []string{"answerer"}, Where: "test"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var got event
		answerer := newApp("answerer", nil)
		answerer.handle = func(e event) outcome {
			got = e
			// One more than is waited for.
			for range 3 {
				if err := b.Reply(t.Context(), "answerer", e, pubsub.Request{Data: []byte("yes")}); err != nil {
					t.Error(err)
				}
			}
			return success
		}
		for _, app := range []*fakeApp{answerer, newApp("asker", nil)} {
			if _, err := b.Open(t.Context(), app); err != nil {
				t.Fatal(err)
			}
		}
		triggers, err := b.Triggers(t.Context())
		if err != nil || len(triggers) != 1 {
			t.Fatal(triggers, err)
		}
		if err := triggers[0].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		replies, err := b.RequestReply(t.Context(), "asker", pubsub.Request{
			Topic: "q", Data: []byte("?"), Extensions: map[string]string{"colour": "blue", "data": "mine", "Not-Valid": "x", "mrtreplyto": "mine"},
		}, 2, deadline)
		if err != nil || len(replies) != 2 || string(replies[0].Data) != "yes" || replies[0].Source != "answerer" {
			t.Errorf("got %+v, %v", replies, err)
		}
		if err := triggers[0].Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		extensions := map[string]string{}
		for _, kv := range got.Extensions {
			extensions[kv.F0] = kv.F1
		}
		if extensions["colour"] != "blue" || extensions["data"] != "" || extensions["Not-Valid"] != "" || string(got.Data) != "?" {
			t.Errorf("the answerer got %+v", got)
		}
		topics = append(topics, extensions["mrtreplyto"])
	}
	if topics[0] != topics[1] || !strings.HasPrefix(topics[0], "mrt-replies-") || !strings.HasSuffix(topics[0], "-asker") {
		t.Errorf("topics for replies: got %q; want the same twice", topics)
	}
	// What somebody else has put there is no id.
	if err := os.WriteFile(filepath.Join(dir, "pubsub-inbox"), []byte("evil topic"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := pubsub.New(t.Context(), pubsub.Config{
		Drivers: set, Apps: []string{"asker"}, Env: component.Env{DataDir: dir}, Decls: []component.Decl{{Name: "pubsub", Type: memory.Spec.Type, Where: "test"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	replies, err := b.RequestReply(t.Context(), "asker", pubsub.Request{Topic: "nobody"}, 1, time.Millisecond)
	if err != nil || len(replies) != 0 {
		t.Errorf("nobody answers: got %v, %v; want none", replies, err)
	}
	if id, err := os.ReadFile(filepath.Join(dir, "pubsub-inbox")); err != nil || strings.Contains(string(id), " ") {
		t.Errorf("the id is %s, %v", id, err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
