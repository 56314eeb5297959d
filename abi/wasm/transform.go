package wasm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of the rewriter: it changes whenever the same input may give other output.
const Version = 4

// Options say how [Transform] rewrites. The zero value does everything and sets no memory maximum.
type Options struct {
	// MaxPages is the memory's maximum in pages; 0 leaves the module's own.
	MaxPages uint32
	// KeepData leaves data segments in the module, KeepGlobals leaves globals unexported, KeepStart leaves the start
	// function, KeepTables leaves indirect calls as they are, and NoFuel injects no fuel.
	KeepData, KeepGlobals, KeepStart, KeepTables, NoFuel bool
	// Linked tells that imports and tables may be those of other modules, so that calls come back without the host in
	// between: see [MeterLinked].
	Linked bool
	// KeepCustoms names the custom sections to keep besides the names.
	KeepCustoms []string
	// DropNames drops the name section: stack traces then show numbers.
	DropNames bool
}

// Key is equal for options and rewriters that give equal results for the same module. Together with a hash of the
// module it is the key of a cache.
func (o Options) Key() string {
	flags := []bool{o.KeepData, o.KeepGlobals, o.KeepStart, o.KeepTables, o.NoFuel, o.DropNames, o.Linked}
	return fmt.Sprintf("v%d/%d/%t/%q", Version, o.MaxPages, flags, o.KeepCustoms)
}

// Skipped is a pass that was left out because it does not apply.
type Skipped struct{ Pass, Reason string }

// Result is a rewritten module. It is plain data, so that it can be stored.
type Result struct {
	// Wasm is the module.
	Wasm []byte
	// Image is what has to be in memory before any guest code runs, in the order in which it is to be written. It
	// may share memory with the input.
	Image []Segment
	// Globals are the exports of all mutable globals but the fuel counter.
	Globals []GlobalExport
	// StartExport is the export to call first, once the image is in place; empty if there is none.
	StartExport string
	// FuelGlobal is the export of the fuel counter, an i64; empty without fuel.
	FuelGlobal string
	// Dispatch and Fuel tell what became of tables and where fuel is charged.
	Dispatch Dispatch
	Fuel     Fuel
	// Source are the facts about the module as it was.
	Source Facts
	// Skipped are the passes that do not apply to this module.
	Skipped []Skipped
	// Obstacles say why memory and globals are not the whole state of an instance; empty if they are, so that an
	// instance can be captured, cloned and reset.
	Obstacles []string
}

// Transform decodes a module, rewrites it and encodes it. A pass that does not apply is skipped, and the result says
// so; what keeps the module from ever being instantiated is an error, as is a module that has been rewritten before
// ([ErrRewritten]).
func Transform(wasm []byte, o Options) (*Result, error) {
	m, err := Decode(wasm)
	if err != nil {
		return nil, err
	}
	if err := m.checkReserved(); err != nil {
		return nil, fmt.Errorf("wasm: %w", err)
	}
	r := &Result{Source: m.Facts()}
	for _, p := range r.passes(o) {
		var u *Unfit
		err := Rewrite(m, p)
		if errors.As(err, &u) {
			r.Skipped = append(r.Skipped, Skipped{u.Pass, u.Reason})
		} else if err != nil {
			return nil, err
		}
	}
	r.Obstacles = m.Facts().Obstacles()
	m.Customs = append(m.Customs, Custom{Name: MarkSection, Bytes: strconv.AppendInt(nil, Version, 10), after: byte(len(sectionOrder))})
	r.Wasm = m.Encode()
	return r, nil
}

// TransformPart rewrites a module that is one of several linked ones, with a memory or tables of another or for another,
// so that it cannot have an image: data, globals, tables that others see and the start function stay as they are. It
// gets fuel as [MeterLinked] has it, calls through its private tables become direct ones, custom sections are dropped,
// and MaxPages limits the memory that it defines. Of a memory that it imports the module which defines it sets the
// maximum, for all that grow it; the limits of imports stay true, since maxima only get lower.
func TransformPart(wasm []byte, o Options) (*Result, error) {
	o.KeepData, o.KeepGlobals, o.KeepStart, o.Linked = true, true, true, true
	return Transform(wasm, o)
}

// passes gives the passes that the options ask for.
func (r *Result) passes(o Options) []Pass {
	keep := o.KeepCustoms
	if !o.DropNames {
		keep = append([]string{nameSection}, keep...)
	}
	var list []Pass
	add := func(leave bool, p Pass) {
		if !leave {
			list = append(list, p)
		}
	}
	add(o.KeepStart, r.exportStart())
	add(o.KeepData, TakeData(&r.Image))
	add(o.KeepGlobals, ExportGlobals(&r.Globals))
	add(o.KeepTables, Devirtualise(&r.Dispatch))
	add(o.NoFuel, r.meter(o.Linked))
	add(o.MaxPages == 0, LimitMemory(o.MaxPages))
	add(false, KeepCustoms(keep...))
	return list
}

func (r *Result) exportStart() Pass {
	return Pass{Name: "start function", Apply: func(m *Module) error {
		var found bool
		err := ExportStart(&found).Apply(m)
		if found {
			r.StartExport = StartExport
		}
		return err
	}}
}

func (r *Result) meter(linked bool) Pass {
	return Pass{Name: fuelName, Apply: func(m *Module) error {
		r.FuelGlobal = FuelExport
		return meterPass(&r.Fuel, linked).Apply(m)
	}}
}

// String sums up what was done, in one line for a log.
func (r *Result) String() string {
	size := 0
	for _, s := range r.Image {
		size += len(s.Bytes)
	}
	s := fmt.Sprintf("image %d bytes in %d segments, %d globals, %d of %d indirect calls replaced, %d tables removed, fuel at %d places",
		size, len(r.Image), len(r.Globals), r.Dispatch.Sites, r.Source.CallIndirects, r.Dispatch.Tables, r.Fuel.Charges)
	if len(r.Obstacles) > 0 {
		s += ", cannot be captured: " + strings.Join(r.Obstacles, ", ")
	}
	return s
}
