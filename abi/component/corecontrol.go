package component

import (
	"fmt"
	"slices"
)

// This file checks the control instructions of core code.

func (c *coreChecker) control(op byte) {
	switch op {
	case 0x00: // unreachable
		c.unreachable()
	case 0x01: // nop
	case 0x02, 0x03, 0x04, 0x1f: // block, loop, if, try_table
		c.block(op)
	case 0x05: // else
		if !c.top().branch {
			c.r.failAt(c.r.pos, "else in an if", "it elsewhere")
			return
		}
		f := c.closeFrame()
		c.open(coreFrame{in: f.in, out: f.out})
	case 0x0b: // end
		c.end()
	case 0x0c: // br
		c.pop(c.label()...)
		c.unreachable()
	case 0x0d: // br_if
		c.pop(coreI32)
		l := c.label()
		c.pop(l...)
		c.push(l...)
	case 0x0e: // br_table
		c.brTable()
	case 0x0f: // return
		c.pop(c.result...)
		c.unreachable()
	case 0x10, 0x11, 0x12, 0x13: // call, call_indirect and their tail calls
		c.call(op)
	case 0x08, 0x0a: // throw, throw_ref
		c.throw(op)
	case 0x1a: // drop
		c.popAny()
	case 0x1b, 0x1c: // select
		c.selection(op)
	default:
		c.skip = true
	}
}

func (c *coreChecker) block(op byte) {
	in, out := c.blockType()
	if op == 0x04 {
		c.pop(coreI32)
	}
	if op == 0x1f {
		c.catches()
	}
	c.pop(in...)
	c.open(coreFrame{in: in, out: out, loop: op == 0x03, branch: op == 0x04})
}

// catches reads the clauses of a try_table: where an exception goes, with what.
func (c *coreChecker) catches() {
	for range c.r.count(MaxItems, "catch clauses") {
		kind := c.r.byte()
		var passed []CoreValType
		if kind <= 1 {
			passed = append(passed, c.tag()...)
		}
		if kind&1 != 0 {
			passed = append(passed, coreExnRef)
		}
		at := c.r.pos
		l := c.label()
		if slices.ContainsFunc(l, typedRef) || slices.ContainsFunc(passed, typedRef) {
			c.skip = true
			return
		}
		if !c.r.failed() && (kind > 3 || !slices.Equal(l, passed)) {
			c.r.failAt(at, "a label of type "+coreList(passed), "%s", coreList(l))
		}
		if c.step(len(passed)); c.r.failed() || c.skip {
			return
		}
	}
}

func (c *coreChecker) tag() []CoreValType {
	t := c.indexed(SortCoreTag)
	if t.Func == nil {
		return nil
	}
	return t.Func.Params
}

// indexed reads an index and gives what has it.
func (c *coreChecker) indexed(sort Sort) CoreExternType {
	at := c.r.pos
	index := c.r.u32()
	if space := c.spaces[sort]; uint64(index) < uint64(len(space)) {
		return space[index]
	}
	c.r.failAt(at, fmt.Sprintf("a %s index below %d", sort, len(c.spaces[sort])), "%d", index)
	return CoreExternType{}
}

func (c *coreChecker) end() {
	f := c.closeFrame()
	if f.branch && !slices.Equal(f.in, f.out) {
		c.r.failAt(c.r.pos, "an else in an if of type "+coreList(f.in)+" -> "+coreList(f.out), "none")
	}
	if len(c.frames) > 0 {
		c.push(f.out...)
	}
}

func (c *coreChecker) brTable() {
	c.pop(coreI32)
	n := c.r.count(MaxSize, "labels")
	arity := -1
	for i := 0; i <= n && !c.r.failed() && !c.skip; i++ {
		at := c.r.pos
		l := c.label()
		if arity >= 0 && arity != len(l) && !c.r.failed() {
			c.r.failAt(at, fmt.Sprintf("labels that take %d operands", arity), "one that takes %d", len(l))
		}
		arity = len(l)
		c.peek(l)
	}
	if !c.r.failed() {
		c.unreachable()
	}
}

// peek checks that operands are there, and leaves them.
func (c *coreChecker) peek(ts []CoreValType) {
	height, f := len(c.stack), c.top()
	c.step(len(ts))
	for i := range ts {
		want := ts[len(ts)-1-i]
		at := height - 1 - i
		if at < f.height {
			if !f.unreachable {
				c.r.failAt(c.r.pos, "an operand of type "+want.String(), "none")
			}
			return
		}
		c.same(c.stack[at], want)
	}
}

func (c *coreChecker) call(op byte) {
	var t *CoreFuncType
	if op&1 == 0 {
		t = c.indexed(SortCoreFunc).Func
	} else {
		t = coreFuncIndex(c.r, c.funcType)
		c.pop(c.address(c.indexed(SortCoreTable)))
	}
	if c.r.failed() {
		return
	}
	c.pop(t.Params...)
	if op < 0x12 {
		c.push(t.Results...)
		return
	}
	if !slices.Equal(t.Results, c.result) {
		c.r.failAt(c.r.pos, "a tail call of a function that returns "+coreList(c.result), "%s", coreList(t.Results))
	}
	c.unreachable()
}

func (c *coreChecker) throw(op byte) {
	if op == 0x08 {
		c.pop(c.tag()...)
	} else {
		c.pop(coreExnRef)
	}
	c.unreachable()
}

func (c *coreChecker) selection(op byte) {
	c.pop(coreI32)
	if op == 0x1c {
		at := c.r.pos
		if n := c.r.u32(); n != 1 {
			c.r.failAt(at, "one type of select", "%d", n)
			return
		}
		t := coreValType(c.r)
		c.pop(t, t)
		c.push(t)
		return
	}
	a, b := c.popAny(), c.popAny()
	if a == coreUnknown {
		a = b
	}
	if b != coreUnknown && a != b || a != coreUnknown && a < coreV128 {
		c.r.failAt(c.r.pos, "two numbers of one type to select from", "%s and %s", b, a)
	}
	c.push(a)
}
