package memory

import "container/heap"

// noIndex is the heapIndex of a record that does not expire.
const noIndex = -1

// expiryHeap holds the records that expire, the next one first.
type expiryHeap []*record

// Len, Less, Swap, Push and Pop are for container/heap.
func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }

// Swap keeps the indexes in step.
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push is called by heap.Push only.
func (h *expiryHeap) Push(x any) {
	r, ok := x.(*record)
	if !ok {
		return
	}
	r.heapIndex = len(*h)
	*h = append(*h, r)
}

// Pop is called by heap.Remove only.
func (h *expiryHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	r.heapIndex = noIndex
	return r
}

func (h *expiryHeap) add(r *record) { heap.Push(h, r) }

// drop takes a record out; one that is not in it is left alone.
func (h *expiryHeap) drop(r *record) {
	if r.heapIndex != noIndex {
		heap.Remove(h, r.heapIndex)
	}
}
