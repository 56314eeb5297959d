package wasm

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
}

// fuelWalk goes through one function and finds where fuel is to be charged, and how much. One pass suffices: costs
// flow forward, and every branch back charges what is pending.
type fuelWalk struct {
	rules *chargeRules
	out   chargeSink // nil to find the residual only

	pending  int64
	residual int64 // the most that any exit leaves
	frames   []fuelFrame
	closed   fuelFrame // by the last end
	nextID   uint32
	loops    int
	table    jumpTable // a dispatch that may be starting
	inTable  int
	before   [2]instr // the last two instructions
}

// chargeSink gets what a walk finds, in the order of the code.
type chargeSink interface {
	// charge is to take cost before an instruction.
	charge(in *instr, cost int64)
	// back is to take cost for a branch back to a loop, if the branch is taken.
	back(in *instr, loop *fuelFrame, cost int64)
	// backTable is to take cost before a br_table that may go back to loops.
	backTable(in *instr, loops []*fuelFrame, cost int64)
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
	hasElse bool
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
	w.pending, w.residual, w.nextID, w.loops = -prepaid, 0, 0, 0
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
		w.spend(1 + w.rules.residual[in.a])
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

func (w *fuelWalk) open(in *instr) {
	w.nextID++
	f := fuelFrame{op: in.op, id: w.nextID, atEnd: dead}
	if in.op == opIf {
		w.spend(1)
		f.atElse = w.pending
	}
	if in.op == opLoop {
		f.loop = w.loops
		w.loops++
		if w.pending != dead {
			w.pending = max(w.pending, 0) // a branch back comes with nothing pending
		}
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
		if ahead := w.ahead(in, f); ahead != nil {
			ahead.atEnd = max(ahead.atEnd, w.pending+jumpCost)
			return
		}
		if w.out != nil {
			w.out.back(in, f, w.pending)
		}
		w.pending = 0
	}
}

// ahead gives the block at whose end a branch to a loop goes on, if that is known and still to come: the branch
// follows a constant stored into the local on which the loop dispatches, and the block is still open.
func (w *fuelWalk) ahead(in *instr, f *fuelFrame) *fuelFrame {
	set, con := &w.before[1], &w.before[0]
	if in.op != opBr || f.jumps == nil || set.op != opLocalSet || con.op != opI32Const || set.a != f.jumps.local {
		return nil
	}
	targets := f.jumps.targets
	i := min(uint64(uint32(int32(con.value))), uint64(len(targets)-1))
	t := targets[i]
	if t.frame >= len(w.frames) || w.frames[t.frame].id != t.id {
		return nil
	}
	return &w.frames[t.frame]
}

// branchTable follows all branches of a br_table; one charge covers those that go back.
func (w *fuelWalk) branchTable(in *instr, code []byte) {
	w.spend(1)
	if w.pending == dead {
		return
	}
	var loops []*fuelFrame
	in.eachLabel(code, func(label uint32) {
		f := &w.frames[len(w.frames)-1-int(label)]
		if f.op == opLoop && f.seenBy != in.start {
			f.seenBy = in.start
			loops = append(loops, f)
		}
	})
	if len(loops) > 0 {
		if w.out != nil {
			w.out.backTable(in, loops, w.pending)
		}
		w.pending = 0
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
		target := jumpTarget{frame: len(w.frames)} // unknown
		if at := len(w.frames) - 1 - int(label); at > t.loop {
			target = jumpTarget{at, w.frames[at].id}
		}
		t.targets = append(t.targets, target)
	})
	w.frames[t.loop].jumps = &t
}
