package contrib_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm/cli"
	"github.com/mrt-wasm/mrt-wasm/components/contrib"
	"github.com/mrt-wasm/mrt-wasm/components/contrib/internal/fields"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
)

func drivers(t *testing.T) (native, full host.Drivers) {
	t.Helper()
	native, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	full, err = contrib.Drivers(native)
	if err != nil {
		t.Fatal(err)
	}
	return native, full
}

// TestAllOfDapr: every type that Dapr registers, by each of its names, is there in all versions.
func TestAllOfDapr(t *testing.T) {
	_, full := drivers(t)
	have := map[string][]string{}
	for _, d := range full.Describe() {
		for _, name := range append([]string{d.Type}, d.Aliases...) {
			have[name] = d.Versions
		}
	}
	types := standard.DaprTypes()
	for typ, wanted := range types {
		versions, there := have[typ]
		if !there {
			t.Errorf("%s is missing", typ)
		}
		for _, v := range wanted {
			if there && !slices.Contains(versions, v) {
				t.Errorf("%s has the versions %v, want %s too", typ, versions, v)
			}
		}
	}
	if len(types) < 124 {
		t.Errorf("the list has %d types, want all of Dapr's", len(types))
	}
}

// TestNativeFirst: a driver of the standard binary is still the one of its type.
func TestNativeFirst(t *testing.T) {
	native, full := drivers(t)
	docs := map[string]string{}
	for _, d := range full.Describe() {
		docs[d.Type] = d.Summary
	}
	for _, d := range native.Describe() {
		if docs[d.Type] != d.Summary {
			t.Errorf("%s: got %q, want the native driver (%q)", d.Type, docs[d.Type], d.Summary)
		}
	}
}

// TestUsersFiles: component files as users of Dapr have them load unchanged, those of the clouds too.
func TestUsersFiles(t *testing.T) {
	_, full := drivers(t)
	files := filepath.Join("..", "..", "examples", "dapr-components")
	var out, errs bytes.Buffer
	if code := cli.Run(full, []string{"validate", files, filepath.Join(files, "cloud")}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("mrt-wasm-full validate: exit code %d\n%s%s", code, &out, &errs)
	}
}

// TestFields: every component that Dapr documents is a driver, and shows what Dapr documents of it.
func TestFields(t *testing.T) {
	native, full := drivers(t)
	ours := map[string]bool{}
	for _, d := range native.Describe() {
		for _, name := range append(d.Aliases, d.Type) {
			ours[name] = true
		}
	}
	module, err := fields.Module()
	if err != nil {
		t.Fatal(err)
	}
	all, err := fields.Read(module)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, d := range full.Describe() {
		for _, name := range append(d.Aliases, d.Type) {
			there[name] = true
		}
		if want := all[d.Type]; !ours[d.Type] && (len(want) != len(d.Fields) && want != nil || len(d.Fields) == 0) {
			t.Errorf("%s shows %d fields, want Dapr's %d", d.Type, len(d.Fields), len(want))
		}
	}
	for typ := range all {
		if !there[typ] {
			t.Errorf("%s is no driver", typ)
		}
	}
}

// TestPage: what is shown of a component of Dapr.
func TestPage(t *testing.T) {
	_, full := drivers(t)
	var out bytes.Buffer
	if code := cli.Run(full, []string{"components", "bindings.azure.blobstorage"}, strings.NewReader(""), &out, &out); code != 0 {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	for _, want := range []string{
		"containerName, container, storageAccountContainer (string, required)",
		"publicAccessLevel (string, default none, one of none blob container)",
		"connectionString (string, credential, for Connection string*)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, &out)
		}
	}
}

// TestRequired: a field that a component cannot do without is missed in the file, before anything starts.
func TestRequired(t *testing.T) {
	_, full := drivers(t)
	for _, tt := range []struct{ typ, metadata, want string }{
		{"bindings.azure.blobstorage", "[{name: connectionString, value: c}]", "metadata field containerName is missing"},
		{"bindings.azure.blobstorage", "[{name: connectionString, value: c}, {name: CONTAINERNAME, value: c}]", ""},
		{"bindings.azure.blobstorage", "[{name: connectionString, value: c}, {name: container, value: c}]", ""},
		{"bindings.azure.eventgrid", "[{name: azureTenantId, value: t}]", ""},
		{"state.oci.objectstorage", "[{name: bucketName, value: b}]", "metadata field compartmentOCID is missing"},
	} {
		file := filepath.Join(t.TempDir(), "component.yaml")
		text := fmt.Sprintf("apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: c}\nspec: {type: %s, version: v1, metadata: %s}\n", tt.typ, tt.metadata)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code := cli.Run(full, []string{"validate", file}, strings.NewReader(""), &out, &out)
		if (code != 0) != (tt.want != "") || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s %s: exit code %d, %s\nwant %q", tt.typ, tt.metadata, code, &out, tt.want)
		}
	}
}
