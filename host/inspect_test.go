package host_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// file reads a wasm file of testdata.
func file(t *testing.T, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func inspect(t *testing.T, wasm []byte) *host.Inspection {
	t.Helper()
	got, err := host.Inspect(t.Context(), "test.wasm", wasm)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// imported finds an interface among what is imported.
func imported(t *testing.T, i *host.Inspection, iface string) host.Wanted {
	t.Helper()
	for _, w := range i.Imports {
		if w.Interface == iface {
			return w
		}
	}
	t.Fatalf("no import of %s in %+v", iface, i.Imports)
	return host.Wanted{}
}

func TestInspectComponent(t *testing.T) {
	got := inspect(t, file(t, "wasihttp/wasihttp.wasm"))
	if got.Kind != "component" || got.Runs != "its core modules are merged into one" || len(got.Producers) == 0 || len(got.Problems) > 0 {
		t.Errorf("got %q that runs %q, made by %q, with problems %q", got.Kind, got.Runs, got.Producers, got.Problems)
	}
	for iface, want := range map[string][2]string{
		"wasi:http/types@0.2.12":            {"wasi:http", ""},
		"wasi:http/outgoing-handler@0.2.12": {"wasi:http", "spec.allow.hosts"},
		"wasi:io/streams@0.2.12":            {"wasi:io", ""},
		"wasi:cli/environment@0.2.12":       {"wasi:cli", ""},
	} {
		w := imported(t, got, iface)
		if w.Provider != want[0] || w.Manifest != want[1] || len(w.Problems) > 0 || len(w.Functions) == 0 {
			t.Errorf("%s: got %+v, want it of %s with the line %q", iface, w, want[0], want[1])
		}
	}
	handle := imported(t, got, "wasi:http/outgoing-handler@0.2.12").Functions[0]
	if want := "request: own<wasi:http/types@0.2/outgoing-request>"; handle.Name != "handle" || !strings.Contains(handle.Type, want) {
		t.Errorf("got the function %+v, want handle with %s", handle, want)
	}
	if len(got.Exports) != 1 || got.Exports[0].Interface != "wasi:http/incoming-handler@0.2.12" || !strings.Contains(got.Exports[0].Trigger, "front door") {
		t.Errorf("got the exports %+v", got.Exports)
	}
	for _, want := range []string{"package root:component;", "import wasi:http/types@0.2.12;", "export wasi:http/incoming-handler@0.2.12;", "resource response-outparam"} {
		if !strings.Contains(got.WIT, want) {
			t.Errorf("the WIT lacks %q:\n%s", want, got.WIT)
		}
	}
}

func TestInspectModule(t *testing.T) {
	got := inspect(t, enginetest.Build(t, "testdata/faulty"))
	if got.Kind != "module" || got.WIT != "" || len(got.Problems) > 0 {
		t.Errorf("got %q with the WIT %q and problems %q", got.Kind, got.WIT, got.Problems)
	}
	if w := imported(t, got, "wasi_snapshot_preview1"); w.Provider != "WASI preview 1" {
		t.Errorf("got %+v", w)
	}
	if len(got.Exports) != 1 || got.Exports[0].Interface != "mrt:http/handler@0.1.0" || got.Exports[0].Trigger == "" {
		t.Errorf("got the exports %+v, want the handler alone", got.Exports)
	}
}

// What keeps a file from running is said by Inspect and by the start of a host, in the same words.
func TestUnfitComponents(t *testing.T) {
	var garbage bytes.Buffer
	if _, err := garbage.ReadFrom(&pattern{n: 10 << 20}); err != nil {
		t.Fatal(err)
	}
	component := []byte("\x00asm\x0d\x00\x01\x00")
	tests := map[string]struct {
		wasm []byte
		want []string
	}{
		"unknown":    {file(t, "hostile/unknown.wasm"), []string{"acme:pricing/quotes@1.0.0#price: nobody provides the interface acme:pricing/quotes@1.0.0"}},
		"types":      {file(t, "hostile/types.wasm"), []string{"get-random-u64: the component expects func() -> u32, the host has func() -> u64", "did you mean get-random-u64?", "now: the component expects func(precision: u32) -> u64"}},
		"exporttype": {file(t, "hostile/exporttype.wasm"), []string{"export wasi:cli/run@0.2.0#run: want func() -> result, found func(n: u32) -> u32"}},
		"async":      {file(t, "hostile/async.wasm"), []string{"an async function is not supported yet"}},
		"garbage":    {garbage.Bytes(), []string{"want a WebAssembly module"}},
		"sections":   {append(component, garbage.Bytes()...), []string{"not a valid component"}},
		"zeroes":     {append(component, make([]byte, 10<<20)...), []string{"not a valid component"}},
		"magic":      {component[:6], []string{"WebAssembly"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newHost(t, app("one", "")+memoryComponents, guests{"one": tt.wasm}, &lines{})
			if err == nil {
				t.Fatal("the host started, want an error")
			}
			found := said(t, tt.wasm)
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the host: got %v, want %q", err, want)
				}
				if !strings.Contains(found, want) {
					t.Errorf("inspect: got %s, want %q", found, want)
				}
			}
		})
	}
}

// said gives what Inspect says is wrong.
func said(t *testing.T, wasm []byte) string {
	t.Helper()
	got, err := host.Inspect(t.Context(), "test.wasm", wasm)
	if err != nil {
		return err.Error()
	}
	all := got.Problems
	for _, w := range got.Imports {
		all = append(all, w.Problems...)
	}
	return strings.Join(all, "\n")
}

// A component that is cut off anywhere, or has a byte changed, is an error or is fine: nothing else happens.
func TestInspectDamaged(t *testing.T) {
	for _, name := range []string{"unknown", "types", "async", "exits", "endless"} {
		whole := file(t, "hostile/"+name+".wasm")
		for at := range whole {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 0x55
			for _, wasm := range [][]byte{whole[:at], damaged} {
				if _, err := host.Inspect(t.Context(), "test.wasm", wasm); err != nil && err.Error() == "" {
					t.Errorf("%s at %d: got an error without a text", name, at)
				}
			}
		}
	}
}
