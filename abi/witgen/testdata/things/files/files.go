// Package files is a host for the tests of resources: its files are alive until they are dropped.
package files

import (
	"context"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	things "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/things/host"
)

// Host has files that are alive until they are dropped. The zero value has none.
type Host struct {
	byName map[string]*file
	// Live counts the files that are alive.
	Live int
	// Made counts the files that there ever were.
	Made uint32
}

type file struct {
	host   *Host
	name   string
	data   *[]byte
	number uint32
	gone   bool
}

func (h *Host) add(name string, data *[]byte) *file {
	if h.byName == nil {
		h.byName = map[string]*file{}
	}
	h.Made++
	h.Live++
	f := &file{host: h, name: name, data: data, number: h.Made}
	h.byName[name] = f
	return f
}

func (f *file) Size(context.Context) uint64 { return uint64(len(*f.data)) }
func (f *file) Name(context.Context) string { return f.name }
func (f *file) Clone(context.Context) things.File {
	return f.host.add(f.name, f.data)
}
func (f *file) Drop_(context.Context) uint32 { return 41 }
func (f *file) Same(_ context.Context, other things.File) bool {
	return f.data == other.(*file).data
}

func (f *file) Write(_ context.Context, data []byte) (uint32, *things.Error) {
	*f.data = append(*f.data, data...)
	return uint32(len(data)), nil
}

func (f *file) Append(ctx context.Context, other things.File) uint64 {
	n := len(*f.data) + len(*other.(*file).data)
	other.Drop(ctx)
	return uint64(n)
}

func (f *file) Drop(context.Context) {
	if f.gone {
		panic("dropped twice: " + f.name)
	}
	f.gone = true
	f.host.Live--
}

// Add makes a file.
func (h *Host) Add(name string) things.File { return h.add(name, new([]byte)) }

func (h *Host) NewFile(_ context.Context, name string) things.File { return h.add(name, new([]byte)) }

func (h *Host) FileOpen(_ context.Context, name string) (things.File, *things.Error) {
	f := h.byName[name]
	if f == nil {
		return nil, &things.Error{Tag: things.ErrorMissing, Missing: name}
	}
	return h.add(name, f.data), nil
}

func (h *Host) Newest(_ context.Context, fs []things.File) *uint32 {
	if len(fs) == 0 {
		return nil
	}
	var newest uint32
	for _, f := range fs {
		newest = max(newest, f.(*file).number)
	}
	return &newest
}

func (h *Host) Merge(ctx context.Context, fs []things.File, name string) (things.Document, *things.Error) {
	var all []byte
	for _, f := range fs {
		all = append(all, f.(*file).name...)
		f.Drop(ctx)
	}
	return h.add(name, &all), nil
}

func (h *Host) Swap(_ context.Context, p things.Pair) things.Pair {
	if p.B == nil {
		return p
	}
	return things.Pair{A: p.B, B: p.A}
}

func (h *Host) Maybe(_ context.Context, f things.Document, g canon.Result[things.File, string]) []things.File {
	if f == nil {
		return []things.File{nil, nil, nil}
	}
	return []things.File{nil, g.OK}
}

func (h *Host) Many(_ context.Context, a, b, c, d, e, f, g, i string, own things.File, j uint8) canon.Tuple2[things.File, string] {
	return canon.Tuple2[things.File, string]{F0: own, F1: strings.Join([]string{a, b, c, d, e, f, g, i, fmt.Sprint(j)}, "")}
}

func (h *Host) Both(ctx context.Context, lent, given things.File) string {
	defer given.Drop(ctx)
	return lent.(*file).name + given.(*file).name
}

func (h *Host) Fail(_ context.Context, e things.Error) *things.Error { return &e }
