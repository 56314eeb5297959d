package wasm

import (
	"fmt"
	"slices"
)

// inject adds the counter, the import and the charges.
func (f *meter) inject() error {
	m := f.m
	size := 0
	f.stats.Global = uint32(m.globalCount())
	m.Globals = append(m.Globals, Global{GlobalType{I64, true}, ConstI64(0)})
	m.Exports = append(m.Exports, Export{Name: FuelExport, Kind: KindGlobal, Index: f.stats.Global})
	for i := range m.Funcs {
		f.function(uint32(i))
		if size += len(m.Funcs[i].Code); size > MaxOutput {
			return fmt.Errorf("with fuel the code takes more than %d bytes: the module is too large", MaxOutput)
		}
	}
	yield := FuncType{Params: []ValType{I64}, Results: []ValType{I64}}
	m.Imports = append(m.Imports, Import{Module: FuelModule, Name: FuelFunc, Kind: KindFunc, Func: m.typeIndex(yield)})
	m.shiftFuncs(f.imports, 1)
	if m.Names != nil {
		m.setFuncAt(f.imports, FuelModule+"."+FuelFunc)
	}
	m.codeChanged()
	return nil
}

// loopPlan is what becomes of a loop.
type loopPlan struct {
	// wrapped puts the loop into a block, a loop and a block, so that fuel is refilled outside of it.
	wrapped bool
	// tested looks at the counter at the loop's header, because a br_table goes there.
	tested bool
}

// planner is the first walk through a function: it finds the loops to which something branches back.
type planner struct {
	m     *Module
	loops []loopPlan
	fixed []bool // loops with parameters, which are not wrapped: they would have to be passed on
}

func (p *planner) charge(*instr, int64) {}

func (p *planner) ahead(*instr, uint32) {}

func (p *planner) back(_ *instr, f *fuelFrame, _ int64) {
	if !p.fixed[f.loop] {
		p.loops[f.loop].wrapped = true
	}
}

func (p *planner) backTable(_ *instr, loops []*fuelFrame, _ int64) {
	for _, f := range loops {
		if !p.fixed[f.loop] {
			p.loops[f.loop] = loopPlan{true, true}
		}
	}
}

// each makes room for the plan of a loop.
func (p *planner) each(in *instr, _ *fuelFrame) {
	if in.op == opLoop {
		params := in.value >= 0 && len(p.m.Types[in.value].Params) > 0
		p.loops, p.fixed = append(p.loops, loopPlan{}), append(p.fixed, params)
	}
}

// injector is the second walk: it edits the function.
//
// A call in a loop costs the compiled loop its registers, even if it is never made. So a loop does not refill its
// fuel itself:
//
//	block $out
//	  loop $again
//	    block $empty
//	      loop $original
//	        ... a branch back takes its cost, and goes to $empty if the counter falls below zero
//	      end
//	      br $out
//	    end
//	    refill
//	    br $again
//	  end
//	  unreachable
//	end
type injector struct {
	*meter
	editor
	loops   []loopPlan
	walk    *fuelWalk
	wraps   []int  // by open frame: wrapped loops among it and those around it
	scratch uint32 // local for the counter, an i64
	length  uint32 // local for the length of a bulk instruction, an i32
	charged bool
	bulk    bool
}

// wrapDepth is how many labels lie between a wrapped loop and what was around it.
const wrapDepth = 3

func (f *meter) function(fn uint32) {
	body := &f.m.Funcs[fn]
	w := &fuelWalk{rules: &f.rules}
	prepaid := int64(0)
	if f.entry[fn] {
		prepaid = entryCharge
	}
	p := &planner{m: f.m}
	w.out = p
	w.run(body.Code, prepaid)
	j := &injector{meter: f, editor: editor{src: body.Code}, loops: p.loops, walk: w, wraps: []int{0}}
	j.scratch = uint32(len(f.m.Types[body.Type].Params))
	for _, l := range body.Locals {
		j.scratch += l.Count
	}
	j.length = j.scratch + 1
	if f.entry[fn] {
		j.stats.Entries++
		j.take(prepaid)
		j.refill()
	}
	w.out = j
	w.run(body.Code, prepaid)
	body.Code = j.finish()
	if j.charged || j.bulk {
		body.Locals = append(body.Locals[:len(body.Locals):len(body.Locals)], LocalRun{1, I64})
	}
	if j.bulk {
		body.Locals = append(body.Locals, LocalRun{1, I32})
	}
}

// label gives the new label of a frame.
func (j *injector) label(label uint32) uint32 {
	top := len(j.wraps) - 1
	return label + uint32(wrapDepth*(j.wraps[top]-j.wraps[top-int(label)]))
}

func (j *injector) charge(in *instr, cost int64) {
	j.before(in)
	j.take(cost)
	j.refill()
}

// ahead jumps without the dispatch.
func (j *injector) ahead(in *instr, label uint32) {
	j.instead(in)
	j.out = appendIndexed(j.out, opBr, j.label(label))
}

func (j *injector) back(in *instr, f *fuelFrame, cost int64) {
	if !j.loops[f.loop].wrapped {
		j.charge(in, cost)
		return
	}
	j.instead(in)
	label := j.label(in.a)
	if in.op == opBrIf {
		j.out = append(j.out, byte(opIf), blockVoid)
		label++
	}
	j.take(cost)
	j.out = appendIndexed(j.out, opBrIf, label+1)
	j.out = appendIndexed(j.out, opBr, label)
	if in.op == opBrIf {
		j.out = append(j.out, byte(opEnd))
	}
}

func (j *injector) backTable(in *instr, loops []*fuelFrame, cost int64) {
	j.before(in)
	j.take(cost)
	if slices.ContainsFunc(loops, func(f *fuelFrame) bool { return !j.loops[f.loop].wrapped }) {
		j.refill()
	} else {
		j.out = append(j.out, byte(opDrop))
	}
}

// each renumbers functions and labels, and wraps loops.
func (j *injector) each(in *instr, closed *fuelFrame) {
	switch in.op {
	case opMemoryCopy, opMemoryFill, opMemoryInit, opTableCopy, opTableFill, opTableInit:
		j.before(in)
		j.appendBulk()
	case opCall, opRefFunc:
		if in.a >= j.imports {
			j.instead(in)
			j.out = appendIndexed(j.out, in.op, in.a+1)
		}
	case opBlock, opIf:
		j.wraps = append(j.wraps, j.wraps[len(j.wraps)-1])
	case opLoop:
		j.openLoop(in)
	case opEnd:
		j.wraps = j.wraps[:len(j.wraps)-1]
		if closed.op == opLoop && j.loops[closed.loop].wrapped {
			j.closeLoop(in)
		}
	case opBr, opBrIf:
		if label := j.label(in.a); j.done <= in.start && label != in.a {
			j.instead(in)
			j.out = appendIndexed(j.out, in.op, label)
		}
	case opBrTable:
		j.table(in)
	default:
	}
}

// table renumbers the labels of a br_table.
func (j *injector) table(in *instr) {
	if j.wraps[len(j.wraps)-1] == 0 {
		return
	}
	j.instead(in)
	j.out = appendIndexed(j.out, opBrTable, in.a)
	in.eachLabel(j.src, func(label uint32) { j.out = appendUnsigned(j.out, j.label(label)) })
}

func (j *injector) openLoop(in *instr) {
	plan := j.loops[j.walk.loops-1]
	wraps := j.wraps[len(j.wraps)-1]
	if plan.wrapped {
		wraps++
		j.before(in)
		kind := j.src[in.start+1 : in.end]
		j.out = append(append(j.out, byte(opBlock)), kind...)
		j.out = append(j.out, byte(opLoop), blockVoid, byte(opBlock), blockVoid)
	}
	j.wraps = append(j.wraps, wraps)
	if plan.tested {
		j.instead(in)
		j.out = append(j.out, j.src[in.start:in.end]...)
		j.out = appendIndexed(j.out, opGlobalGet, j.stats.Global)
		j.out = append(appendI64(j.out, 0), byte(opI64LtS))
		j.out = appendIndexed(j.out, opBrIf, 1)
	}
}

func (j *injector) closeLoop(in *instr) {
	j.instead(in)
	j.out = appendIndexed(append(j.out, byte(opEnd)), opBr, wrapDepth-1)
	j.out = append(j.out, byte(opEnd))
	j.yield()
	j.out = append(appendIndexed(j.out, opBr, 0), byte(opEnd), byte(opUnreachable), byte(opEnd))
}

// take takes a cost off the counter and leaves on the stack whether it is used up.
func (j *injector) take(cost int64) {
	j.out = appendIndexed(j.out, opGlobalGet, j.stats.Global)
	j.out = appendI64(j.out, cost)
	j.subtract()
}

func (j *injector) subtract() {
	j.charged = true
	j.stats.Charges++
	j.out = append(j.out, byte(opI64Sub))
	j.out = appendIndexed(j.out, opLocalTee, j.scratch)
	j.out = appendIndexed(j.out, opGlobalSet, j.stats.Global)
	j.out = appendIndexed(j.out, opLocalGet, j.scratch)
	j.out = append(appendI64(j.out, 0), byte(opI64LtS))
}

// refill asks for more fuel if the counter is used up.
func (j *injector) refill() {
	j.out = append(j.out, byte(opIf), blockVoid)
	j.yield()
	j.out = append(j.out, byte(opEnd))
}

func (j *injector) yield() {
	j.out = appendIndexed(j.out, opGlobalGet, j.stats.Global)
	j.out = appendIndexed(j.out, opCall, j.imports)
	j.out = appendIndexed(j.out, opGlobalSet, j.stats.Global)
}

// appendBulk charges for a long copy or fill, whose length is on the stack.
func (j *injector) appendBulk() {
	j.bulk = true
	j.out = appendIndexed(j.out, opLocalTee, j.length)
	j.out = append(appendI32(j.out, bulkFree), byte(opI32GtU), byte(opIf), blockVoid)
	j.out = appendIndexed(j.out, opGlobalGet, j.stats.Global)
	j.out = appendIndexed(j.out, opLocalGet, j.length)
	j.out = append(appendI64(append(j.out, byte(opI64ExtendU)), bulkShift), byte(opI64ShrU))
	j.subtract()
	j.refill()
	j.out = append(j.out, byte(opEnd))
	j.out = appendIndexed(j.out, opLocalGet, j.length)
}

// shiftFuncs moves the functions from an index on by so many everywhere but in code.
func (m *Module) shiftFuncs(from, by uint32) {
	shift := func(fn *uint32) {
		if *fn >= from {
			*fn += by
		}
	}
	for i := range m.Exports {
		if m.Exports[i].Kind == KindFunc {
			shift(&m.Exports[i].Index)
		}
	}
	shift(&m.Start)
	for i := range m.Elems {
		for k := range m.Elems[i].Funcs {
			shift(&m.Elems[i].Funcs[k])
		}
	}
	m.eachConst(func(e ConstExpr) ConstExpr {
		return rewriteCode(e, func(ed *editor, in *instr) {
			if in.op == opRefFunc && in.a >= from {
				ed.instead(in)
				ed.out = appendIndexed(ed.out, in.op, in.a+by)
			}
		})
	})
	if m.Names != nil {
		m.Names.shift(from, by)
	}
}
