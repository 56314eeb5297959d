package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// The exports that every guest has or may have.
const (
	memoryName     = "memory"
	reallocName    = "cabi_realloc"
	arenaName      = "cabi_arena"
	initializeName = "_initialize"
	startName      = "_start"
	postReturn     = "cabi_post_"
)

// pageSize is the unit of a memory's size, in bytes.
const pageSize = 64 << 10

// Module is a compiled module. Any number of pools may run it.
type Module struct {
	engine *Engine
	name   string
	// compiled is the core module; nil for a component that is run as a graph.
	compiled wazero.CompiledModule
	// code is all that has been compiled.
	code   []wazero.CompiledModule
	runner *runner
	// program is what a component is besides; nil for a core module.
	program *program
	// rewritten is nil for a module that is run as it is.
	rewritten *rewritten
	// key tells the code and how it was rewritten.
	key     [sha256.Size]byte
	imports []Import
	// intrinsics are what a core module imports for the resources that it exports, and resources those resources, by
	// the interface's track and the name.
	intrinsics []Import
	resources  map[string]*canon.Resource
	exports    map[string]signature
	// tracks are the exports by their interface's track, and types the component types of those that have one.
	tracks map[string]string
	types  map[string]string
	// posts tells that functions have clean-ups.
	posts bool
	// minMemory is the memory, in bytes, that every instance has from the start.
	minMemory uint64

	mu     sync.Mutex
	users  int  // pools that run it; guarded by mu
	closed bool // guarded by mu
}

// Import is a function that a module wants from the host.
type Import struct {
	// Module is the import's module name, for example "mrt:state/store@0.1.0".
	Module string
	// Name is the function's name, for example "get".
	Name string
	// Params and Results are its core signature.
	Params, Results []abi.ValType
	// Type is its component type as text, as in abi.Func; empty for an import of a core module.
	Type string
}

// signature is a core function type.
type signature struct{ params, results []abi.ValType }

// String writes it as "(i32 i32) -> (i32)".
func (s signature) String() string { return "(" + types(s.params) + ") -> (" + types(s.results) + ")" }

func types(vs []abi.ValType) string {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = v.String()
	}
	return strings.Join(names, " ")
}

func (s signature) equal(o signature) bool {
	return slices.Equal(s.params, o.params) && slices.Equal(s.results, o.results)
}

func signatureOf(d api.FunctionDefinition) signature {
	return signature{params: valTypes(d.ParamTypes()), results: valTypes(d.ResultTypes())}
}

func valTypes(vs []api.ValueType) []abi.ValType {
	out := make([]abi.ValType, len(vs))
	for i, v := range vs {
		out[i] = abi.ValType(v)
	}
	return out
}

func newModule(e *Engine, name string, compiled wazero.CompiledModule) *Module {
	m := &Module{engine: e, name: name, compiled: compiled, code: []wazero.CompiledModule{compiled}, runner: e.checked, exports: map[string]signature{}}
	for _, d := range compiled.ImportedFunctions() {
		module, fn, _ := d.Import()
		if module == wasm.FuelModule {
			continue
		}
		s := signatureOf(d)
		imp := Import{Module: module, Name: fn, Params: s.params, Results: s.results}
		if strings.HasPrefix(module, intrinsicPrefix) {
			m.intrinsics = append(m.intrinsics, imp)
		} else {
			m.imports = append(m.imports, imp)
		}
	}
	for export, d := range compiled.ExportedFunctions() {
		if export == wasm.StartExport {
			continue
		}
		m.exports[export] = signatureOf(d)
	}
	m.index()
	m.findResources()
	return m
}

// index makes the exports known by their tracks.
func (m *Module) index() {
	m.tracks = map[string]string{}
	for name := range m.exports {
		m.posts = m.posts || strings.HasPrefix(name, postReturn)
		if track := trackOf(name); track != name {
			m.tracks[track] = name
		}
	}
}

// trackOf is an export's name with its interface's track in the place of the interface.
func trackOf(name string) string {
	iface, fn, ok := strings.Cut(name, "#")
	if !ok {
		return name
	}
	return abi.Track(iface) + "#" + fn
}

// find gives the export that the host calls name: of the same interface, in a compatible version.
func (m *Module) find(name string) (string, bool) {
	if _, ok := m.exports[name]; ok {
		return name, true
	}
	if len(m.tracks) == 0 || !m.posts && strings.HasPrefix(name, postReturn) {
		return "", false
	}
	export, ok := m.tracks[trackOf(name)]
	return export, ok
}

// check refuses what no pool could run.
func (m *Module) check() error {
	if _, ok := m.compiled.ExportedMemories()[memoryName]; !ok {
		return fmt.Errorf("%s: the module exports no memory; a guest exports its memory as %q", m.name, memoryName)
	}
	if len(m.compiled.ImportedMemories()) > 0 {
		return fmt.Errorf("%s: the module imports its memory; a guest has a memory of its own and exports it as %q",
			m.name, memoryName)
	}
	_, start := m.exports[startName]
	_, initialize := m.exports[initializeName]
	if start && !initialize {
		return fmt.Errorf("%s: the module is a command (it exports %s and no %s), which runs once and exits; "+
			"build a library: in Go, go build -buildmode=c-shared", m.name, startName, initializeName)
	}
	return nil
}

// IsComponent tells whether the module is a component.
func (m *Module) IsComponent() bool { return m.program != nil }

// Name is what Compile was given.
func (m *Module) Name() string { return m.name }

// Imports lists the functions that the module wants, in the order of the module; a function may stand there twice.
func (m *Module) Imports() []Import { return slices.Clone(m.imports) }

// Exports lists the names of the functions that the module exports, sorted; of a component without the clean-ups.
func (m *Module) Exports() []string {
	names := make([]string, 0, len(m.exports))
	for name := range m.exports {
		if m.program == nil || m.types[name] != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Interfaces lists the interfaces of which the module exports functions ("<interface>#<function>"), sorted.
func (m *Module) Interfaces() []string {
	var ifaces []string
	for name := range m.exports {
		iface, _, ok := strings.Cut(name, "#")
		if ok && !strings.HasPrefix(iface, postReturn) && !slices.Contains(ifaces, iface) {
			ifaces = append(ifaces, iface)
		}
	}
	slices.Sort(ifaces)
	return ifaces
}

// Close gives back the compiled code, as soon as no pool runs it any more.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if m.users > 0 {
		return nil
	}
	return m.closeCode(ctx)
}

func (m *Module) closeCode(ctx context.Context) error {
	var errs []error
	for _, c := range m.code {
		errs = append(errs, c.Close(ctx))
	}
	return errors.Join(errs...)
}

func (m *Module) acquire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("module %s is %w", m.name, ErrClosed)
	}
	m.users++
	return nil
}

func (m *Module) release(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users--
	if m.users < 0 {
		return errors.New("module is released more often than it was used")
	}
	if m.closed && m.users == 0 {
		return m.closeCode(ctx)
	}
	return nil
}
