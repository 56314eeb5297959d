package wasm

import "math"

// A cost counts instructions. pending is the most that any path has run since it was last charged; dead is code that
// is never reached.
const dead = -1 << 62

const (
	// maxPending is what code may run before it is charged.
	maxPending = 1_000
	// cutPending is what a call counts that closes a cycle of calls, besides what is charged at its entry. It is a
	// guess: what such a function leaves to its caller depends on itself. It may leave up to maxPending.
	cutPending = 200
	// bulkCost is charged for a bulk instruction, and bulkFree bytes or elements are paid by it. What is more costs
	// one for 2^bulkShift.
	bulkCost  = 16
	bulkFree  = 256
	bulkShift = 4
	// jumpCost is a jump through the dispatch at a loop's header.
	jumpCost = 3
	// indirectCost is a call_indirect without the callee.
	indirectCost = 3
)

// chargeRules are what a walk has to know about other functions.
type chargeRules struct {
	residual  []int64  // by function: what a call leaves to the caller, besides the call
	sigs      []int64  // the same for indirect calls, by canonical type
	meteredBy []bool   // by canonical type: charged before each call
	canonical []uint32 // canonical types
	leaves    uint32   // functions below this one are of other modules: charged before each call
}

// fuelWalk goes through one function and finds where fuel is to be charged, and how much. One pass suffices: costs
// flow forward, and every branch back charges so much that no more is pending than on the way forward to its target.
type fuelWalk struct {
	rules *chargeRules
	out   chargeSink // nil to find the residual only

	pending  int64
	residual int64 // the most that any exit leaves
	frames   []fuelFrame
	closed   fuelFrame // by the last end
	nextID   uint32
	length   int64     // cost of all code so far, on whichever path
	ends     []loopEnd // by frame
	loops    int
	table    jumpTable // a dispatch that may be starting
	inTable  int
	before   [2]instr // the last two instructions
}

// loopEnd is the end of a frame, which may be where a jumpTable's loop goes back to.
type loopEnd struct {
	length  int64 // up to there
	pending int64 // what is pending there; dead while the frame is open
	returns int64 // what of it jumps back leave; dead for none
}

// chargeSink gets what a walk finds, in the order of the code.
type chargeSink interface {
	// charge is to take cost before an instruction.
	charge(in *instr, cost int64)
	// back is to take cost for a branch back to a loop, if the branch is taken.
	back(in *instr, loop *fuelFrame, cost int64)
	// backTable is to take cost before a br_table that may go back to loops.
	backTable(in *instr, loops []*fuelFrame, cost int64)
	// ahead is told of a jump through a loop's dispatch that ends behind the block of a label.
	ahead(in *instr, label uint32)
	// each gets every instruction after the charges for it. After an end, closed is the frame that it closed.
	each(in *instr, closed *fuelFrame)
}

type fuelFrame struct {
	op      opcode
	id      uint32
	loop    int   // which loop of the function, from 0 in the order of their headers
	seenBy  int   // the last br_table that names it
	atEnd   int64 // the most that reaches its end by branches
	atElse  int64
	header  int64 // of a loop: what is pending at its header
	hasElse bool
	void    bool // a branch to it takes nothing along
	jumps   *jumpTable
}

// jumpTable is a loop that begins with blocks and a br_table on a local: the shape of a function of standard Go, in
// which every jump sets the local and branches to the loop. A jump whose target is known and lies ahead needs no
// charge.
type jumpTable struct {
	loop    int // frame of the loop
	local   uint32
	targets []jumpTarget // the default is the last
}

type jumpTarget struct {
	frame int
	id    uint32
}

// run walks code. prepaid is what was charged at entry.
func (w *fuelWalk) run(code []byte, prepaid int64) {
	// A loop of a jumpTable is often entered in its middle, with something pending. So much less the code from the loop's
	// first block to there may be pending at the first block, or else each round is charged for the way to the loop too.
	// It is found out first.
	out := w.out
	w.out, w.ends = nil, append(w.ends[:0], loopEnd{pending: dead, returns: dead})
	w.walk(code, prepaid)
	w.out = out
	w.walk(code, prepaid)
}

func (w *fuelWalk) walk(code []byte, prepaid int64) {
	w.pending, w.residual, w.loops, w.length, w.nextID = -prepaid, 0, 0, 0, 0
	w.frames = append(w.frames[:0], fuelFrame{op: opBlock, atEnd: dead})
	w.before, w.inTable = [2]instr{}, 0
	s := scan(code)
	var in instr
	for s.next(&in) {
		if w.pending >= maxPending {
			w.settle(&in)
		}
		if in.op == opEnd {
			w.closed = w.frames[len(w.frames)-1]
		}
		w.step(&in, code)
		if w.out != nil {
			w.out.each(&in, &w.closed)
		}
		w.follow(&in, code)
		w.before[0], w.before[1] = w.before[1], in
	}
}

// settle charges what is pending before an instruction.
func (w *fuelWalk) settle(in *instr) {
	if w.pending > 0 && w.out != nil {
		w.out.charge(in, w.pending)
	}
	if w.pending > 0 {
		w.pending = 0
	}
}

func (w *fuelWalk) spend(cost int64) {
	w.length += cost
	if w.pending != dead {
		w.pending += cost
	}
}

func (w *fuelWalk) step(in *instr, code []byte) {
	switch in.op {
	case opNop:
	case opBlock, opLoop, opIf:
		w.open(in)
	case opElse:
		f := &w.frames[len(w.frames)-1]
		f.atEnd, f.hasElse = max(f.atEnd, w.pending), true
		w.pending = f.atElse
	case opEnd:
		w.close()
	case opBr:
		w.spend(1)
		w.branch(in, in.a)
		w.pending = dead
	case opBrIf:
		w.spend(1)
		w.branch(in, in.a)
	case opBrTable:
		w.branchTable(in, code)
	case opReturn:
		w.spend(1)
		w.exit()
		w.pending = dead
	case opUnreachable:
		w.pending = dead
	case opCall:
		w.call(in)
	case opCallIndirect:
		sig := w.rules.canonical[in.a]
		if w.rules.meteredBy[sig] && w.pending != dead {
			w.spend(1)
			w.settle(in)
		}
		w.spend(indirectCost + w.rules.sigs[sig])
	case opMemoryCopy, opMemoryFill, opMemoryInit, opTableCopy, opTableFill, opTableInit:
		w.spend(bulkCost)
	default:
		w.spend(1)
	}
}

func (w *fuelWalk) call(in *instr) {
	if in.a < w.rules.leaves && w.pending != dead {
		w.spend(1)
		w.settle(in)
	}
	w.spend(1 + w.rules.residual[in.a])
}

func (w *fuelWalk) open(in *instr) {
	w.nextID++
	f := fuelFrame{op: in.op, id: w.nextID, atEnd: dead, void: in.value == blockTypeVoid}
	if int(w.nextID) == len(w.ends) {
		w.ends = append(w.ends, loopEnd{returns: dead})
	}
	w.ends[w.nextID].pending = dead
	if in.op == opIf {
		w.spend(1)
		f.atElse = w.pending
	}
	if in.op == opLoop {
		f.loop = w.loops
		w.loops++
		if w.pending != dead {
			w.pending = max(w.pending, 0)
		}
		f.header = w.pending
	}
	w.frames = append(w.frames, f)
}

func (w *fuelWalk) close() {
	f := &w.frames[len(w.frames)-1]
	if len(w.frames) == 1 {
		w.exit()
		return
	}
	if f.op == opIf && !f.hasElse {
		f.atEnd = max(f.atEnd, f.atElse)
	}
	w.pending = max(w.pending, f.atEnd)
	end := &w.ends[f.id]
	if w.pending != dead {
		w.pending = max(w.pending, end.returns)
	}
	end.length, end.pending = w.length, w.pending
	w.frames = w.frames[:len(w.frames)-1]
}

// exit leaves the function.
func (w *fuelWalk) exit() {
	w.residual = max(w.residual, w.pending)
}

// branch follows a branch that is taken with what is pending now.
func (w *fuelWalk) branch(in *instr, label uint32) {
	if w.pending == dead {
		return
	}
	at := len(w.frames) - 1 - int(label)
	f := &w.frames[at]
	switch {
	case at == 0:
		w.exit()
	case f.op != opLoop:
		f.atEnd = max(f.atEnd, w.pending)
	default:
		left := f.header
		if t, ok := w.jump(in, f); ok {
			if t.frame < len(w.frames) && w.frames[t.frame].id == t.id {
				ahead := &w.frames[t.frame]
				ahead.atEnd = max(ahead.atEnd, w.pending+jumpCost)
				w.length += jumpCost
				if w.out != nil && ahead.void {
					w.out.ahead(in, uint32(len(w.frames)-1-t.frame))
				}
				return
			}
			if end := &w.ends[t.id]; end.pending != dead {
				end.returns = max(end.returns, w.pending-(w.length-end.length))
				left = end.pending - jumpCost
			}
		}
		if w.out != nil {
			w.out.back(in, f, max(w.pending-left, 1))
		}
	}
}

// jump gives the block at whose end a branch to a loop goes on, if that is known: the branch follows a constant stored
// into the local on which the loop dispatches.
func (w *fuelWalk) jump(in *instr, f *fuelFrame) (t jumpTarget, known bool) {
	set, con := &w.before[1], &w.before[0]
	if in.op != opBr || f.jumps == nil || set.op != opLocalSet || con.op != opI32Const || set.a != f.jumps.local {
		return jumpTarget{}, false
	}
	targets := f.jumps.targets
	i := min(uint64(uint32(int32(con.value))), uint64(len(targets)-1))
	return targets[i], targets[i].id != 0
}

// branchTable follows all branches of a br_table; one charge covers those that go back.
func (w *fuelWalk) branchTable(in *instr, code []byte) {
	w.spend(1)
	if w.pending == dead {
		return
	}
	var loops []*fuelFrame
	left := int64(math.MaxInt64)
	in.eachLabel(code, func(label uint32) {
		f := &w.frames[len(w.frames)-1-int(label)]
		if f.op == opLoop && f.seenBy != in.start {
			f.seenBy = in.start
			left = min(left, f.header)
			loops = append(loops, f)
		}
	})
	if len(loops) > 0 {
		if w.out != nil {
			w.out.backTable(in, loops, max(w.pending-left, 1))
		}
		w.pending = min(w.pending, left)
	}
	in.eachLabel(code, func(label uint32) {
		if w.frames[len(w.frames)-1-int(label)].op != opLoop {
			w.branch(in, label)
		}
	})
	w.pending = dead
}

// follow watches for the start of a jumpTable.
func (w *fuelWalk) follow(in *instr, code []byte) {
	switch {
	case in.op == opLoop:
		w.inTable = 1
		w.table = jumpTable{loop: len(w.frames) - 1}
	case w.inTable == 1 && in.op == opBlock:
	case w.inTable == 1 && in.op == opLocalGet:
		w.inTable = 2
		w.table.local = in.a
	case w.inTable == 2 && in.op == opBrTable:
		w.inTable = 0
		w.recordTable(in, code)
	default:
		w.inTable = 0
	}
}

func (w *fuelWalk) recordTable(in *instr, code []byte) {
	t := w.table
	in.eachLabel(code, func(label uint32) {
		var target jumpTarget // unknown
		if at := len(w.frames) - 1 - int(label); at > t.loop {
			target = jumpTarget{at, w.frames[at].id}
		}
		t.targets = append(t.targets, target)
	})
	w.frames[t.loop].jumps = &t
}
