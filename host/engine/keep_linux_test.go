package engine_test

import (
	"errors"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// Where the system allows no further mappings, the caller is told so, and one that is closed makes room.
func TestKeep_noRoom(t *testing.T) {
	if images == engine.ImagesOff || images == engine.ImagesCopied {
		t.Log("memories that are not mapped are not counted")
		return
	}
	const room = 5
	e := newEngine(t)
	engine.SetSlots(e, room)
	p := keptPool(t, e, &keptHost{}, engine.PoolConfig{Policy: engine.Reset})
	var all []*engine.Kept
	for range room {
		all = append(all, keep(t, p, nil))
	}
	for range 3 {
		if _, err := p.Keep(t.Context(), nil); !errors.Is(err, engine.ErrNoRoom) {
			t.Fatalf("want ErrNoRoom, got %v", err)
		}
	}
	call(t, all[0], "deposit", 1)
	all[0].Close(t.Context())
	if got := call(t, keep(t, p, nil), "deposit", 2); got != 2 {
		t.Errorf("want a clean instance in the place of the closed one, got %d", got)
	}
}
