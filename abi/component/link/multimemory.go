package link

import (
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// maxSharings bounds in how many ways instances of one core module may share its memories: there is one rewritten
// module for each.
const maxSharings = 8

// splitMemories replaces the instances of core modules with several memories by instances of modules with one memory
// each. Where several imports of a module are the same memory in an instance, they are one there.
func (b *builder) splitMemories() error {
	s := &splitter{plan: b.plan, modules: make([]*coreModule, len(b.plan.Modules)), done: map[int][]*sharing{}}
	for _, m := range b.modules {
		if m.index >= 0 {
			s.modules[m.index] = m
		}
	}
	if !slices.ContainsFunc(s.modules, (*coreModule).several) {
		return nil
	}
	old := b.plan.Instances
	b.plan.Instances = nil
	for i := range old {
		if err := s.add(old[i]); err != nil {
			return fmt.Errorf("core module %s: %w", quote(old[i].Name), err)
		}
	}
	s.redirect()
	return nil
}

// several tells whether the module is one to split.
func (m *coreModule) several() bool {
	return m != nil && m.odd == "" && m.memoryCount() > 1
}

func (m *coreModule) memoryCount() int {
	n := m.memories
	for _, imp := range m.imports {
		if imp.sort == component.SortCoreMemory {
			n++
		}
	}
	return n
}

// splitter is the state of splitMemories.
type splitter struct {
	plan    *Plan
	modules []*coreModule // by index; nil for those that are made here
	// instances are what became of the instances so far.
	instances []splitInstance
	// done are the modules that have been made, by the module that was split.
	done map[int][]*sharing
}

// splitInstance is what became of a core instance.
type splitInstance struct {
	index  int // the new one
	module *coreModule
	// memories are its memories, imported ones first.
	memories []memoryID
	// parts are the new instances that have its memories, -1 for those that are in the instance itself; nil if it was
	// not split.
	parts []int
}

// memoryID is the instance that defines a memory, as it was before, and the memory's index there.
type memoryID struct{ instance, index int }

// sharing is a module that was split for instances in which memories are the same in one way.
type sharing struct {
	same  []uint32
	split *wasm.Split
	// rest and parts are indices of Plan.Modules.
	rest  int
	parts []int
}

// add adds an instance, in the terms of the plan as it was.
func (s *splitter) add(in CoreInstance) error {
	m := s.modules[in.Module]
	si := splitInstance{module: m}
	var err error
	if si.memories, err = s.memories(m, in.Args, len(s.instances)); err != nil {
		return err
	}
	for i := range in.Args {
		s.move(&in.Args[i].Def)
	}
	if m.several() {
		if in, err = s.split(in, &si); err != nil {
			return err
		}
	}
	si.index = len(s.plan.Instances)
	s.plan.Instances = append(s.plan.Instances, in)
	s.instances = append(s.instances, si)
	if n := len(s.plan.Instances); n > MaxCoreInstances {
		return fmt.Errorf("expected at most %d core instances with one for each further memory, found more", MaxCoreInstances)
	}
	return nil
}

// memories tells which memories an instance has.
func (s *splitter) memories(m *coreModule, args []CoreArg, instance int) ([]memoryID, error) {
	n := m.memoryCount()
	if n > wasm.MaxSplitMemories {
		return nil, fmt.Errorf("expected at most %d memories, found %d", wasm.MaxSplitMemories, n)
	}
	out := make([]memoryID, 0, n)
	for _, a := range args {
		if a.Def.Sort != component.SortCoreMemory {
			continue
		}
		from := &s.instances[a.Def.Instance]
		index := from.module.memoryIndex[a.Def.Name]
		if index >= uint64(len(from.memories)) {
			return nil, fmt.Errorf("import %s of %s: expected the export of one of %d memories, found that of memory %d",
				quote(a.Name), quote(a.Module), len(from.memories), index)
		}
		out = append(out, from.memories[index])
	}
	for i := len(out); i < n; i++ {
		out = append(out, memoryID{instance, i})
	}
	return out, nil
}

// split adds the instances that have an instance's further memories, and gives the instance without them.
func (s *splitter) split(in CoreInstance, si *splitInstance) (CoreInstance, error) {
	h, err := s.sharing(in.Module, si.memories)
	if err != nil {
		return in, err
	}
	rest := CoreInstance{Name: in.Name, Module: h.rest, Component: in.Component}
	for _, i := range h.split.Imports {
		rest.Args = append(rest.Args, in.Args[i])
	}
	si.parts = slices.Repeat([]int{-1}, len(h.same))
	for k, p := range h.split.Memories {
		part := CoreInstance{Name: fmt.Sprintf("%s memory %d", in.Name, p.Index), Module: h.parts[k], Component: in.Component}
		for _, i := range p.Imports {
			part.Args = append(part.Args, in.Args[i])
		}
		n := len(s.plan.Instances)
		s.plan.Instances = append(s.plan.Instances, part)
		for f := range p.Funcs {
			name := wasm.SplitFunc(f)
			rest.Args = append(rest.Args, CoreArg{
				Module: p.Module, Name: name, Def: CoreDef{Sort: component.SortCoreFunc, Instance: n, Name: name},
			})
		}
		for i, same := range h.same {
			if same == p.Index {
				si.parts[i] = n
			}
		}
	}
	return rest, nil
}

// sharing gives the module of that index split for an instance with these memories.
func (s *splitter) sharing(module int, memories []memoryID) (*sharing, error) {
	same := make([]uint32, len(memories))
	for i, m := range memories {
		same[i] = uint32(slices.Index(memories, m))
	}
	for _, h := range s.done[module] {
		if slices.Equal(h.same, same) {
			return h, nil
		}
	}
	if len(s.done[module]) == maxSharings {
		return nil, fmt.Errorf("expected instances that share the module's memories in at most %d ways, found more", maxSharings)
	}
	split, err := wasm.SplitMemories(s.plan.Modules[module], same)
	if err != nil {
		return nil, err
	}
	h := &sharing{same: same, split: split, rest: s.module(split.Wasm)}
	for _, p := range split.Memories {
		h.parts = append(h.parts, s.module(p.Wasm))
	}
	s.done[module] = append(s.done[module], h)
	return h, nil
}

func (s *splitter) module(b []byte) int {
	s.plan.Modules = append(s.plan.Modules, b)
	return len(s.plan.Modules) - 1
}

// move makes a definition of the plan as it was one of the new plan.
func (s *splitter) move(d *CoreDef) {
	if d.Instance < 0 {
		return
	}
	from := &s.instances[d.Instance]
	d.Instance = from.index
	if d.Sort != component.SortCoreMemory || from.parts == nil {
		return
	}
	index := from.module.memoryIndex[d.Name]
	if index < uint64(len(from.parts)) && from.parts[index] >= 0 {
		d.Instance, d.Name = from.parts[index], wasm.SplitExport
	}
}

// redirect moves all definitions outside of instances.
func (s *splitter) redirect() {
	p := s.plan
	moved := func(d *CoreDef) *CoreDef {
		if d == nil {
			return nil
		}
		out := *d
		s.move(&out)
		return &out
	}
	seen := map[*Lifted]bool{}
	lifted := func(l *Lifted) {
		if l == nil || seen[l] {
			return
		}
		seen[l] = true
		s.move(&l.Core)
		l.PostReturn = moved(l.PostReturn)
	}
	for i := range p.Options {
		p.Options[i].Memory, p.Options[i].Realloc = moved(p.Options[i].Memory), moved(p.Options[i].Realloc)
	}
	for i := range p.Trampolines {
		lifted(p.Trampolines[i].Callee)
	}
	for i := range p.Resources {
		p.Resources[i].Dtor = moved(p.Resources[i].Dtor)
	}
	for i := range p.Exports {
		lifted(p.Exports[i].Lifted)
	}
}
