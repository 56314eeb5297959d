package wasm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxSplitMemories bounds the memories of a module that [SplitMemories] takes, imported ones included.
const MaxSplitMemories = 100

// SplitExport is the name under which the module of a [SplitMemory] exports its memory.
const SplitExport = "memory"

const splitName = "several memories"

// Split is a module with several memories as modules with one memory each.
type Split struct {
	// Wasm is the module with memory 0 alone; it may share memory with the input. It exports all that the module
	// exports but the other memories. It imports what Imports tells, in that order, and then the functions of Memories, those of the
	// first one first.
	Wasm []byte
	// Imports are those of the module's imports that are left, as indices.
	Imports []int
	// Memories are the other memories, by ascending index. Their modules are instantiated before Wasm.
	Memories []SplitMemory
}

// SplitMemory is one of the memories of a module, in a module of its own.
type SplitMemory struct {
	// Index is the memory's index in the module that was split.
	Index uint32
	// Wasm is the module that imports or defines the memory, as the split one did, and exports it as [SplitExport].
	Wasm []byte
	// Imports are the imports that it takes over, as indices of those of the module that was split. Their names stay.
	Imports []int
	// Module is the module name under which Split.Wasm imports functions from here. Funcs counts them; [SplitFunc] gives
	// their names, here and there.
	Module string
	Funcs  int
}

// SplitFunc gives the name of the function with the number i, from 0.
func SplitFunc(i int) string { return strconv.Itoa(i) }

// SplitMemories takes a module with several memories apart (the multi-memory proposal, which most runtimes lack): one
// stays, and for each of the others there is a module with functions that do in that memory what the code did. same
// tells which memories are one: for each memory the lowest index of those that are the same as it, which only imported
// ones can be; nil if all differ. Memories that are one are one in the result, so that copies within it and the order
// of its data segments are as they were.
//
// What may trap traps as before and in the same way, in a function of another module. A copy from one memory to another
// goes by pieces, in time proportional to its length. The result is bounded by a small multiple of the module's size.
//
// It fails with [*Error] for what cannot be decoded and with [*Unfit] for what cannot be taken apart: a data segment of
// another memory whose offset is computed from an import by way of a global of the module, or passive segments so large
// that there must not be one copy for each memory into which they are copied.
func SplitMemories(wasm []byte, same []uint32) (*Split, error) {
	d, err := decode(wasm, MaxSplitMemories)
	if err != nil {
		return nil, err
	}
	s := &splitter{
		m: d.m, same: same, dataMemory: d.dataMemory, size: len(wasm), funcs: len(d.m.Funcs), imported: uint32(d.m.imported(KindFunc)),
		accessor: map[memoryAccess]uint32{}, helper: map[access]uint32{}, users: map[uint32][]uint32{},
		own: map[uint32]bool{}, dropped: map[uint32]bool{},
	}
	if err := s.merge(); err != nil {
		return nil, err
	}
	s.choosePrefix()
	for i := range s.m.Funcs {
		s.collect(s.m.Funcs[i].Code)
	}
	s.collectDrops()
	s.sortAccessors()
	if err := s.fits(); err != nil {
		return nil, err
	}
	out := &Split{}
	for k := 1; k < len(s.same); k++ {
		if s.same[k] == uint32(k) {
			part, err := s.part(uint32(k))
			if err != nil {
				return nil, err
			}
			out.Memories = append(out.Memories, *part)
		}
	}
	out.Imports = s.rest(out.Memories)
	out.Wasm = s.m.Encode()
	return out, nil
}

// access is what code does with a memory. The meaning of a and b depends on op: the lane, the data segment, or memories.
type access struct {
	op            opcode
	align, offset uint32
	a, b          uint32
}

type memoryAccess struct {
	memory uint32
	access
}

// splitter is the state of one split. First it collects which functions are needed, so that their indices are known.
type splitter struct {
	m          *Module
	same       []uint32 // the memory that stands for each
	dataMemory []uint32
	size       int
	imported   uint32 // how many functions it imports
	funcs      int    // how many it defines
	prefix     string
	// accessors are the functions that are imported from the modules of other memories, in that order.
	accessors []memoryAccess
	accessor  map[memoryAccess]uint32
	// helpers are functions that are added.
	helpers []access
	helper  map[access]uint32
	// users are the other memories that need a data segment, own are the segments that memory 0 needs.
	users   map[uint32][]uint32
	own     map[uint32]bool
	dropped map[uint32]bool // segments that code drops
}

// merge checks same and makes the imports of memories that are one ask for all that any of them does.
func (s *splitter) merge() error {
	n := s.m.memoryCount()
	if s.same == nil {
		for i := range n {
			s.same = append(s.same, uint32(i))
		}
	}
	if len(s.same) != n {
		return fmt.Errorf("wasm: %s: expected which of %d memories are the same, found it for %d", splitName, n, len(s.same))
	}
	imports := s.memoryImports()
	for i, k := range s.same {
		switch {
		case k == uint32(i):
			continue
		case k > uint32(i), s.same[k] != k, i >= len(imports):
			return fmt.Errorf("wasm: %s: expected for memory %d the lowest index of the imported memories that are the same, found %d", splitName, i, k)
		}
		to, from := &s.m.Imports[imports[k]].Memory, s.m.Imports[imports[i]].Memory
		to.Min = max(to.Min, from.Min)
		if from.HasMax && (!to.HasMax || from.Max < to.Max) {
			to.Max, to.HasMax = from.Max, true
		}
		if to.HasMax && to.Max < to.Min {
			return fmt.Errorf("wasm: memories %d and %d are the same: expected a memory that both imports allow, found imports of at least %d and of at most %d pages",
				k, i, to.Min, to.Max)
		}
	}
	return nil
}

// memoryImports gives the indices of the imports of memories.
func (s *splitter) memoryImports() []int {
	var out []int
	for i := range s.m.Imports {
		if s.m.Imports[i].Kind == KindMemory {
			out = append(out, i)
		}
	}
	return out
}

// choosePrefix finds module names that the module does not import from.
func (s *splitter) choosePrefix() {
	const base = "mrt:memory."
	taken := map[string]bool{}
	for i := range s.m.Imports {
		if rest, ok := strings.CutPrefix(s.m.Imports[i].Module, base); ok {
			n, _, _ := strings.Cut(rest, "/")
			taken[n] = true
		}
	}
	n := 0
	for taken[strconv.Itoa(n)] {
		n++
	}
	s.prefix = base + strconv.Itoa(n) + "/"
}

// sortAccessors puts the functions of one memory together.
func (s *splitter) sortAccessors() {
	slices.SortStableFunc(s.accessors, func(a, b memoryAccess) int { return cmp.Compare(a.memory, b.memory) })
	for i, a := range s.accessors {
		s.accessor[a] = uint32(i)
	}
}

// fits checks what is bounded.
func (s *splitter) fits() error {
	if n := len(s.m.Imports) + len(s.accessors); n > MaxImports {
		return unfit(splitName, "expected at most %d imports with one for each way in which code uses another memory, found %d", MaxImports, n)
	}
	if n := s.m.funcCount() + len(s.accessors) + len(s.helpers); n > MaxFuncs {
		return unfit(splitName, "expected at most %d functions with one for each way in which code uses another memory, found %d", MaxFuncs, n)
	}
	more := 0
	for seg, users := range s.users {
		copies := len(users)
		if !s.own[seg] {
			copies--
		}
		more += copies * len(s.m.Data[seg].Bytes)
	}
	if more > s.size {
		return unfit(splitName, "expected passive data segments that are small or copied to one memory only, found that further copies of them would take %d bytes in a module of %d",
			more, s.size)
	}
	return nil
}

// rest makes the module that is left and gives its imports.
func (s *splitter) rest(parts []SplitMemory) []int {
	m := s.m
	for i := range m.Funcs {
		m.Funcs[i].Code = s.code(m.Funcs[i].Code)
	}
	m.shiftFuncs(s.imported, uint32(len(s.accessors)))
	m.codeChanged()
	if m.Names != nil {
		m.Names.rest = slices.DeleteFunc(m.Names.rest, func(n subsection) bool { return n.id == subMemories })
	}
	types := newTypeTable(m)
	for _, k := range s.helpers {
		m.setFunc(s.imported+uint32(len(s.accessors)+len(m.Funcs)), k.name())
		m.Funcs = append(m.Funcs, Func{Type: types.index(k.signature()), Code: s.body(k, nil)})
	}
	m.Exports = slices.DeleteFunc(m.Exports, func(e Export) bool { return e.Kind == KindMemory && s.same[e.Index] != 0 })
	for i := range m.Exports {
		if m.Exports[i].Kind == KindMemory {
			m.Exports[i].Index = 0
		}
	}
	s.restData()
	imports := s.restMemories()
	modules := map[uint32]*SplitMemory{}
	for i := range parts {
		modules[parts[i].Index] = &parts[i]
	}
	for _, a := range s.accessors {
		p := modules[a.memory]
		m.Imports = append(m.Imports, Import{
			Module: p.Module, Name: SplitFunc(p.Funcs), Kind: KindFunc, Func: types.index(a.signature()),
		})
		p.Funcs++
	}
	return imports
}

// restData takes out the data segments that memory 0 does not need. For the instructions that name them there are empty
// passive ones.
func (s *splitter) restData() {
	m := s.m
	var kept []Data
	for i, d := range m.Data {
		used := d.Mode == Active && s.same[s.dataMemory[i]] == 0 || d.Mode == Passive && s.own[uint32(i)]
		switch {
		case used:
			kept = append(kept, d)
		case m.HasDataCount:
			kept = append(kept, Data{Mode: Passive})
		}
	}
	m.Data = kept
}

// restMemories takes out all memories but the first, and gives the imports that are left.
func (s *splitter) restMemories() []int {
	m := s.m
	var left []Import
	var indices []int
	memories := 0
	for i := range m.Imports {
		if m.Imports[i].Kind == KindMemory {
			if memories++; memories > 1 {
				continue
			}
		}
		left, indices = append(left, m.Imports[i]), append(indices, i)
	}
	if m.Imports = left; memories > 0 {
		m.Memories = nil
	} else {
		m.Memories = m.Memories[:min(len(m.Memories), 1)]
	}
	return indices
}
