package component

import (
	"fmt"
	"slices"
	gosort "sort"
)

// maxLocals bounds the locals of a core function, as browsers do.
const maxLocals = 50_000

// coreUnknown is the type of an operand in code that is never reached.
const coreUnknown CoreValType = 0

const (
	coreV128    CoreValType = 0x7b
	coreFuncRef CoreValType = 0x70
	coreExnRef  CoreValType = 0x69
)

// coreFrame is an open block.
type coreFrame struct {
	in, out     []CoreValType
	loop        bool
	branch      bool // an if that has no else yet
	height      int  // of the operands below it
	unreachable bool
}

// label gives the types that a branch to it passes.
func (f *coreFrame) label() []CoreValType {
	if f.loop {
		return f.in
	}
	return f.out
}

// localRun is a run of locals of one type, up to but not including the index end.
type localRun struct {
	end uint32
	t   CoreValType
}

// coreChecker checks the operand types of function bodies. It knows WebAssembly 2.0, tail calls and exceptions. A body
// that uses more, or that takes more steps than its length explains, it leaves to the engine.
type coreChecker struct {
	*coreScanner
	r      *reader
	stack  []CoreValType
	frames []coreFrame
	locals []localRun
	result []CoreValType
	skip   bool // the rest of the body is left to the engine
	steps  int
}

// body checks one function body of type t.
func (c *coreChecker) body(r *reader, t *CoreFuncType) {
	c.r, c.skip, c.result = r, false, t.Results
	c.stack, c.frames, c.locals = c.stack[:0], c.frames[:0], c.locals[:0]
	c.steps = 1_000_000 + 64*len(r.b)
	c.declareLocals(t)
	c.open(coreFrame{out: t.Results})
	for len(c.frames) > 0 && !r.failed() && !c.skip {
		if r.left() == 0 {
			r.failAt(r.pos, "the end of the function", "%d open blocks", len(c.frames))
			return
		}
		c.instruction()
	}
	if !c.skip && !r.failed() && r.left() > 0 {
		r.failAt(r.pos, "the end of the function's body", "%d more bytes", r.left())
	}
}

func (c *coreChecker) declareLocals(t *CoreFuncType) {
	for _, p := range t.Params {
		c.addLocals(1, p)
	}
	for range c.r.count(maxLocals, "runs of locals") {
		at := c.r.pos
		n := c.r.u32()
		total := uint64(n)
		if len(c.locals) > 0 {
			total += uint64(c.locals[len(c.locals)-1].end)
		}
		if total > maxLocals {
			c.r.failAt(at, fmt.Sprintf("at most %d locals", maxLocals), "%d", total)
		}
		t := coreValType(c.r)
		if c.r.failed() {
			return
		}
		c.addLocals(n, t)
	}
}

func (c *coreChecker) addLocals(n uint32, t CoreValType) {
	if typedRef(t) {
		c.skip = true
	}
	end := n
	if len(c.locals) > 0 {
		end += c.locals[len(c.locals)-1].end
	}
	c.locals = append(c.locals, localRun{end, t})
}

func (c *coreChecker) local() CoreValType {
	at := c.r.pos
	index := c.r.u32()
	i := gosort.Search(len(c.locals), func(i int) bool { return c.locals[i].end > index })
	if i == len(c.locals) {
		c.r.failAt(at, "the index of a local", "%d", index)
		return coreUnknown
	}
	return c.locals[i].t
}

func (c *coreChecker) step(n int) {
	if c.steps -= n; c.steps < 0 {
		c.skip = true
	}
}

func (c *coreChecker) push(ts ...CoreValType) {
	c.step(len(ts))
	c.stack = append(c.stack, ts...)
}

// pop takes the operands ts, the last of which is on top.
func (c *coreChecker) pop(ts ...CoreValType) {
	c.step(len(ts))
	for _, want := range slices.Backward(ts) {
		c.same(c.popAny(), want)
		if c.r.failed() {
			return
		}
	}
}

// same checks an operand. Typed references are left to the engine.
func (c *coreChecker) same(got, want CoreValType) {
	switch {
	case got == want || got == coreUnknown || want == coreUnknown:
	case typedRef(got) || typedRef(want):
		c.skip = true
	default:
		c.r.failAt(c.r.pos, "an operand of type "+want.String(), "%s", got)
	}
}

func typedRef(t CoreValType) bool { return t == coreNullable || t == coreNonNull }

func (c *coreChecker) popAny() CoreValType {
	f := c.top()
	if len(c.stack) == f.height {
		if !f.unreachable {
			c.r.failAt(c.r.pos, "an operand on the stack", "none")
		}
		return coreUnknown
	}
	t := c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
	return t
}

func (c *coreChecker) top() *coreFrame { return &c.frames[len(c.frames)-1] }

func (c *coreChecker) open(f coreFrame) {
	f.height = len(c.stack)
	c.frames = append(c.frames, f)
	c.push(f.in...)
}

// closeFrame ends the innermost block: its results are what is left on the stack.
func (c *coreChecker) closeFrame() coreFrame {
	f := *c.top()
	c.pop(f.out...)
	if len(c.stack) != f.height && !c.r.failed() {
		c.r.failAt(c.r.pos, "nothing more on the stack at the end of a block", "%d operands", len(c.stack)-f.height)
	}
	c.frames = c.frames[:len(c.frames)-1]
	return f
}

func (c *coreChecker) unreachable() {
	f := c.top()
	c.stack, f.unreachable = c.stack[:f.height], true
}

// label gives the types of a branch target by its depth.
func (c *coreChecker) label() []CoreValType {
	at := c.r.pos
	depth := c.r.u32()
	if uint64(depth) >= uint64(len(c.frames)) {
		c.r.failAt(at, fmt.Sprintf("a label below %d", len(c.frames)), "%d", depth)
		return nil
	}
	return c.frames[len(c.frames)-1-int(depth)].label()
}

// blockType reads the type of a block.
func (c *coreChecker) blockType() (in, out []CoreValType) {
	at := c.r.pos
	code, index := c.r.typeCode()
	switch {
	case c.r.failed() || code == 0x40:
		return nil, nil
	case typedRef(CoreValType(code)):
		c.skip = true
		return nil, nil
	case code != 0:
		return nil, []CoreValType{CoreValType(code)}
	}
	t := c.funcType(index)
	if t == nil {
		c.r.failAt(at, "the index of a function type", "%d", index)
		return nil, nil
	}
	return t.Params, t.Results
}

// instruction checks one instruction.
func (c *coreChecker) instruction() {
	c.step(1)
	op := c.r.byte()
	switch {
	case op <= 0x1f:
		c.control(op)
	case op <= 0x26:
		c.variable(op)
	case op <= 0x40:
		c.memory(op)
	case op <= 0xc4:
		c.numeric(op)
	case op == 0xd0 || op == 0xd1 || op == 0xd2:
		c.reference(op)
	case op == 0xfc:
		c.bulk(c.r.u32())
	case op == 0xfd:
		c.vector(c.r.u32())
	default:
		c.skip = true
	}
}
