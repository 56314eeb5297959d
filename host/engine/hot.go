package engine

import "sync"

// maxHot is how many kept instances of a pool keep the stacks of their functions between calls: about 11 KiB for each
// function, and a typical call has three. The others make them anew, which takes about two microseconds each.
const maxHot = 2048

// hotList has the kept instances that are between calls and have stacks, the longest idle first. It is a list through
// the instances themselves, so that a call allocates nothing for it.
type hotList struct {
	mu          sync.Mutex
	first, last *Kept // guarded by mu
	n           int   // guarded by mu
}

// hotPlace is a kept instance's place in the list; the list's mu guards it.
type hotPlace struct {
	prev, next *Kept
	listed     bool
}

// add puts an instance behind all others, and takes the stacks of the one that is then too many.
func (h *hotList) add(k *Kept) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k.hot = hotPlace{prev: h.last, listed: true}
	if h.last != nil {
		h.last.hot.next = k
	} else {
		h.first = k
	}
	h.last = k
	if h.n++; h.n > maxHot {
		cold := h.first
		h.removeLocked(cold)
		cold.inst.dropFuncs()
	}
}

// remove takes an instance off the list: from then on it is the caller's alone.
func (h *hotList) remove(k *Kept) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k.hot.listed {
		h.removeLocked(k)
	}
}

func (h *hotList) removeLocked(k *Kept) {
	if k.hot.prev != nil {
		k.hot.prev.hot.next = k.hot.next
	} else {
		h.first = k.hot.next
	}
	if k.hot.next != nil {
		k.hot.next.hot.prev = k.hot.prev
	} else {
		h.last = k.hot.prev
	}
	k.hot = hotPlace{}
	h.n--
}
