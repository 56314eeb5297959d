package engine

import (
	"strings"
	"testing"
)

// Slots of all pools are bounded together, and are clean when they are taken again.
func TestSlotsAreBounded(t *testing.T) {
	budget := newSlotBudget(5)
	img, err := newMappedImage([]byte("image"), 2*pageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer img.close()
	a, b := newSlots(2*pageSize, 2, budget), newSlots(2*pageSize, 2, budget)
	var held [][]byte
	for k := range 6 {
		s := a
		if k%2 > 0 {
			s = b
		}
		region, err := s.take(img)
		if k < 5 {
			if err != nil || !strings.HasPrefix(string(region[:6]), "image\x00") {
				t.Fatalf("slot %d: %q, %v", k, region[:6], err)
			}
			held = append(held, region)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "sysctl -w vm.max_map_count=") {
			t.Errorf("want an error that says what to do, got %v", err)
		}
	}
	a.close() // slots are in use: nothing happens
	held[0][0] = 1
	for k, region := range held {
		s := a
		if k%2 > 0 {
			s = b
		}
		if err := s.give(region); err != nil {
			t.Error(err)
		}
	}
	region, err := a.take(img)
	if err != nil || region[0] != 'i' {
		t.Fatalf("want a clean slot, got %v, %v", region[:1], err)
	}
	if err := a.give(region); err != nil {
		t.Error(err)
	}
	a.close()
	b.close()
	if _, err := a.take(img); err == nil || budget.used.Load() != 0 {
		t.Errorf("want an error after close and no slot counted, got %v and %d", err, budget.used.Load())
	}
}
