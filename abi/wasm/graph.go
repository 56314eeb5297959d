package wasm

import (
	"cmp"
	"slices"
)

// graph is a directed graph with the edges of a node in one run.
type graph struct {
	first []uint32 // edges of node i: to[first[i]:first[i+1]]
	to    []uint32
}

func (g *graph) edges(n uint32) []uint32 { return g.to[g.first[n]:g.first[n+1]] }

func (g *graph) size() int { return len(g.first) - 1 }

// components finds strongly connected components of the nodes that are not removed, callees before callers
// (Tarjan's algorithm, with a stack of its own: a call graph can be a million nodes deep).
type components struct {
	g       *graph
	removed []bool
	index   []uint32 // 0 is unseen
	low     []uint32
	onStack []bool
	stack   []uint32
	path    []step
	next    uint32
	found   func(nodes []uint32)
}

type step struct{ node, edge uint32 }

// eachComponent calls found with each component; the slice is good until it returns.
func eachComponent(g *graph, removed []bool, found func(nodes []uint32)) {
	n := g.size()
	c := &components{g: g, removed: removed, found: found, index: make([]uint32, n), low: make([]uint32, n), onStack: make([]bool, n)}
	for root := range uint32(n) {
		if c.index[root] == 0 && !removed[root] {
			c.visit(root)
		}
	}
}

func (c *components) push(n uint32) {
	c.next++
	c.index[n], c.low[n] = c.next, c.next
	c.stack = append(c.stack, n)
	c.onStack[n] = true
	c.path = append(c.path, step{n, c.g.first[n]})
}

func (c *components) visit(root uint32) {
	c.push(root)
	for len(c.path) > 0 {
		top := &c.path[len(c.path)-1]
		if top.edge < c.g.first[top.node+1] {
			to := c.g.to[top.edge]
			top.edge++
			switch {
			case c.removed[to]:
			case c.index[to] == 0:
				c.push(to)
			case c.onStack[to]:
				c.low[top.node] = min(c.low[top.node], c.index[to])
			}
			continue
		}
		c.leave(top.node)
	}
}

// leave ends a node whose edges have all been followed.
func (c *components) leave(n uint32) {
	c.path = c.path[:len(c.path)-1]
	if len(c.path) > 0 {
		up := c.path[len(c.path)-1].node
		c.low[up] = min(c.low[up], c.low[n])
	}
	if c.low[n] != c.index[n] {
		return
	}
	start := len(c.stack) - 1
	for c.stack[start] != n {
		start--
	}
	for _, m := range c.stack[start:] {
		c.onStack[m] = false
	}
	c.found(c.stack[start:])
	c.stack = c.stack[:start]
}

// cutCycles chooses nodes so that every cycle goes through one of them: a small set, found greedily by degree. The
// number of rounds is bounded, so that a hostile graph costs no more than a few passes.
func cutCycles(g *graph) (cut []bool) {
	const (
		gentle   = 8  // rounds that take a small share
		smallest = 64 // a round takes one node in so many
	)
	cut = make([]bool, g.size())
	share := smallest
	for round := 0; ; round++ {
		cyclic, part := cycles(g, cut)
		if len(cyclic) == 0 {
			return cut
		}
		if round >= gentle {
			share = max(share/2, 1)
		}
		score := degrees(g, part)
		for _, nodes := range cyclic {
			slices.SortFunc(nodes, func(a, b uint32) int {
				return cmp.Or(cmp.Compare(score[b], score[a]), cmp.Compare(a, b))
			})
			for _, n := range nodes[:(len(nodes)+share-1)/share] {
				cut[n] = true
			}
		}
	}
}

// cycles gives the components that have cycles, and for each node the number of its component, from 1.
func cycles(g *graph, cut []bool) (cyclic [][]uint32, part []uint32) {
	part = make([]uint32, g.size())
	eachComponent(g, cut, func(nodes []uint32) {
		if len(nodes) == 1 && !slices.Contains(g.edges(nodes[0]), nodes[0]) {
			return
		}
		cyclic = append(cyclic, slices.Clone(nodes))
		for _, n := range nodes {
			part[n] = uint32(len(cyclic))
		}
	})
	return cyclic, part
}

// degrees gives, for nodes in cycles, the product of edges in and out within their component.
func degrees(g *graph, part []uint32) []uint64 {
	in, out := make([]uint32, g.size()), make([]uint32, g.size())
	for n := range uint32(g.size()) {
		if part[n] == 0 {
			continue
		}
		for _, to := range g.edges(n) {
			if part[to] == part[n] {
				out[n]++
				in[to]++
			}
		}
	}
	score := make([]uint64, g.size())
	for n := range score {
		score[n] = uint64(in[n]) * uint64(out[n])
	}
	return score
}
