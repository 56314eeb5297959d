package standard

import "testing"

func TestDrivers(t *testing.T) {
	d, err := Drivers()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"state.in-memory", "state.redis", "state.sqlite", "state.sqlite3"} {
		if _, ok := d.State.Lookup(typ); !ok {
			t.Errorf("no driver %s", typ)
		}
	}
	for _, typ := range []string{"pubsub.in-memory", "pubsub.redis", "pubsub.jetstream"} {
		if _, ok := d.PubSub.Lookup(typ); !ok {
			t.Errorf("no driver %s", typ)
		}
	}
}
