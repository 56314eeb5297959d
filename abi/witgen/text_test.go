package witgen

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.bytecodealliance.org/wit"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// The type of each function is, as text, what abi/canon gives for the same type, and so are core signatures.
func TestText(t *testing.T) {
	// wasi:http takes in most of the other standard interfaces.
	for _, path := range []string{
		"testdata/all/wit", "testdata/things/wit", "../../wit", "../../wit/deps/http", "../../wit/deps/blobstore",
		"../../wit/deps/keyvalue", "../../wit/deps/keyvaluespin", "../../wit/deps/messaging",
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			l := layouter{dir: t.TempDir(), path: path, real: map[string]string{}, refs: map[string]bool{}}
			if err := l.lay(path); err != nil {
				t.Fatal(err)
			}
			res, err := wit.LoadWIT(l.dir)
			if err != nil {
				t.Fatal(err)
			}
			r := newResolver()
			if _, err := r.resolve(res); err != nil {
				t.Fatal(err)
			}
			checked := 0
			for _, i := range res.Interfaces {
				for k, f := range slices.Collect(functionsOf(i)) {
					checkText(t, f, r.ifaces[i].funcs[k])
					checked++
				}
			}
			if checked == 0 {
				t.Error("want functions, found none")
			}
		})
	}
}

func functionsOf(i *wit.Interface) func(func(*wit.Function) bool) {
	return func(yield func(*wit.Function) bool) {
		for _, f := range i.Functions.All() {
			if !yield(f) {
				return
			}
		}
	}
}

func checkText(t *testing.T, f *wit.Function, got *function) {
	t.Helper()
	params := make([]canon.Field, len(f.Params))
	for i, p := range f.Params {
		params[i] = canon.Field{Name: p.Name, Type: canonType(t, p.Type)}
	}
	var result *canon.Type
	if len(f.Results) > 0 {
		result = canonType(t, f.Results[0].Type)
	}
	want, err := canon.NewFunc(params, result)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	if got.name != f.Name || got.text() != want.Text() {
		t.Errorf("want %s: %s\ngot %s: %s", f.Name, want.Text(), got.name, got.text())
	}
	for _, d := range []canon.Direction{canon.Import, canon.Export} {
		wantParams, wantResults := want.Signature(d)
		gotParams, gotResults := got.signature(d == canon.Export)
		if coreNames(wantParams) != joinCores(gotParams) || coreNames(wantResults) != joinCores(gotResults) {
			t.Errorf("%s: want the signature %v %v, got %v %v", f.Name, wantParams, wantResults, gotParams, gotResults)
		}
	}
}

func coreNames(vs []abi.ValType) string {
	var out []string
	for _, v := range vs {
		out = append(out, strings.ToUpper(v.String()))
	}
	return strings.Join(out, " ")
}

// canonType makes the type of abi/canon for one of the parser's library.
func canonType(t *testing.T, w wit.Type) *canon.Type {
	t.Helper()
	if w == nil {
		return nil
	}
	td, ok := w.(*wit.TypeDef)
	if !ok {
		k, ok := primitiveKinds[w.WIT(nil, "")]
		if !ok {
			t.Fatalf("want a primitive type, got %v", w)
		}
		return canon.Prim(canon.Kind(k))
	}
	out, err := canonKind(t, td.Root())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func canonKind(t *testing.T, td *wit.TypeDef) (*canon.Type, error) {
	t.Helper()
	switch k := td.Kind.(type) {
	case *wit.List:
		return canon.ListOf(canonType(t, k.Type))
	case *wit.Option:
		return canon.OptionOf(canonType(t, k.Type))
	case *wit.Result:
		return canon.ResultOf(canonType(t, k.OK), canonType(t, k.Err))
	case *wit.Tuple:
		types := make([]*canon.Type, len(k.Types))
		for i, e := range k.Types {
			types[i] = canonType(t, e)
		}
		return canon.TupleOf(types...)
	case *wit.Record:
		fields := make([]canon.Field, len(k.Fields))
		for i, f := range k.Fields {
			fields[i] = canon.Field{Name: f.Name, Type: canonType(t, f.Type)}
		}
		return canon.RecordOf(fields...)
	case *wit.Variant:
		cases := make([]canon.Field, len(k.Cases))
		for i, c := range k.Cases {
			cases[i] = canon.Field{Name: c.Name, Type: canonType(t, c.Type)}
		}
		return canon.VariantOf(cases...)
	case *wit.Enum:
		var names []string
		for _, c := range k.Cases {
			names = append(names, c.Name)
		}
		return canon.EnumOf(names...)
	case *wit.Flags:
		var names []string
		for _, f := range k.Flags {
			names = append(names, f.Name)
		}
		return canon.FlagsOf(names...)
	case *wit.Own:
		return canon.OwnOf(canonResource(t, k.Type)), nil
	case *wit.Borrow:
		return canon.BorrowOf(canonResource(t, k.Type)), nil
	case wit.Type:
		return canonType(t, k), nil
	default:
		t.Fatalf("want a type that is known, got %T", k)
		return nil, nil
	}
}

func canonResource(t *testing.T, td *wit.TypeDef) *canon.Resource {
	t.Helper()
	td = td.Root()
	owner, ok := td.Owner.(*wit.Interface)
	if !ok {
		t.Fatalf("want a resource of an interface, got %v", td.Owner)
	}
	id := owner.Package.Name
	id.Extension = *owner.Name
	return &canon.Resource{Name: abi.Track(id.String()) + "/" + *td.Name}
}
