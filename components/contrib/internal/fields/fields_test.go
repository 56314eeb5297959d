package fields_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/internal/fields"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func read(t *testing.T) map[string][]component.Field {
	t.Helper()
	module, err := fields.Module()
	if err != nil {
		t.Fatal(err)
	}
	all, err := fields.Read(module)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCurrent: the committed file is that of the module's version.
func TestCurrent(t *testing.T) {
	want, err := fields.Encode(read(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "adapt", "fields.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("adapt/fields.json is not what the module says: run make generate-contrib")
	}
}

func TestFields(t *testing.T) {
	all := read(t)
	for _, tt := range []struct {
		typ  string
		want component.Field
	}{
		{"bindings.azure.blobstorage", component.Field{
			Name: "containerName", Aliases: []string{"container", "storageAccountContainer"}, Kind: "string", Required: true,
		}},
		{"bindings.azure.blobstorage", component.Field{
			Name: "publicAccessLevel", Kind: "string", Default: "none", Allowed: []string{"none", "blob", "container"},
		}},
		{"bindings.azure.blobstorage", component.Field{Name: "decodeBase64", Kind: "bool", Default: "false"}},
		{"bindings.azure.blobstorage", component.Field{
			Name: "connectionString", Kind: "string", Secret: true, For: []component.Use{{Name: "Connection string", Required: true}},
		}},
		{"bindings.azure.blobstorage", component.Field{
			Name: "azureClientSecret", Kind: "string", Secret: true, For: []component.Use{{Name: "Azure AD: Client credentials", Required: true}},
		}},
		// Required in one direction.
		{"bindings.azure.eventgrid", component.Field{
			Name: "topicEndpoint", Kind: "string", For: []component.Use{{Name: "output", Required: true}},
		}},
		// Called required, and is not.
		{"bindings.smtp", component.Field{Name: "emailFrom", Kind: "string"}},
		// Another name in daprd, and a file with tabs.
		{"crypto.dapr.localstorage", component.Field{Name: "path", Kind: "string", Required: true}},
		{"bindings.zeebe.command", component.Field{Name: "gatewayAddr", Kind: "string", Required: true}},
	} {
		i := slices.IndexFunc(all[tt.typ], func(f component.Field) bool { return f.Name == tt.want.Name })
		if i < 0 {
			t.Errorf("%s has no field %s", tt.typ, tt.want.Name)
			continue
		}
		if got := all[tt.typ][i]; !equal(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.typ, got, tt.want)
		}
	}
	if len(all) < 100 {
		t.Errorf("%d components have fields, want all that have a metadata.yaml", len(all))
	}
}

func equal(a, b component.Field) bool {
	return a.Kind == b.Kind && a.Default == b.Default && a.Required == b.Required && a.Secret == b.Secret && a.Doc == b.Doc &&
		slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Allowed, b.Allowed) && slices.Equal(a.For, b.For)
}
