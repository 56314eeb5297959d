package plugin

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func decl(name, typ, imports string) component.Decl {
	return component.Decl{Name: name, Type: typ, Where: "m.yaml:1", Metadata: component.Metadata{"Imports": imports}}
}

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		decls []component.Decl
		want  string
	}{
		{"as declared", []component.Decl{decl("a", "state.wasm", ""), decl("b", "state.redis", "")}, "a b"},
		{"first what is used", []component.Decl{decl("a", "state.wasm", "c, b"), decl("b", "pubsub.wasm", "c"), decl("c", "state.redis", "a")}, "c b a"},
		{"unknown is told later", []component.Decl{decl("a", "state.wasm", "ghost")}, "a"},
		{"itself", []component.Decl{decl("a", "state.wasm", "a")}, "error: in a circle, so none can start first: a -> a"},
		{"circle", []component.Decl{decl("x", "state.wasm", "a"), decl("a", "state.wasm", "b"), decl("b", "state.wasm", "a")}, "error: in a circle, so none can start first: a -> b -> a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sorted, err := Order(tt.decls)
			if want, fails := strings.CutPrefix(tt.want, "error: "); fails {
				if err == nil || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("got error %v, want %q", err, want)
				}
				return
			}
			var names []string
			for _, d := range sorted {
				names = append(names, d.Name)
			}
			if got := strings.Join(names, " "); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestGrants(t *testing.T) {
	sorted, err := Order([]component.Decl{decl("enc", "state.wasm", "disk"), decl("disk", "state.redis", ""), decl("other", "state.redis", "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range sorted {
		plugin, app := d.Visible(component.PluginApp("enc")), d.Visible("enc")
		if want := d.Name == "disk"; plugin != want || !app {
			t.Errorf("%s: visible to the plugin %t and to an app of its name %t; want %t and true", d.Name, plugin, app, want)
		}
		d.Scopes = []string{"orders"}
		if d.Visible(component.PluginApp("enc")) {
			t.Errorf("%s: visible to a plugin that is not in its scopes", d.Name)
		}
		d.Scopes = []string{"enc"}
		if want := d.Name == "disk"; d.Visible(component.PluginApp("enc")) != want || d.Visible("orders") {
			t.Errorf("%s with the plugin in its scopes: want it visible to the plugin alone, if it is granted", d.Name)
		}
	}
}

func TestKinds(t *testing.T) {
	all := []string{"state", "pubsub", "configuration", "bindings"}
	for _, tt := range []struct {
		name  string
		decls []component.Decl
		want  string
	}{
		{"no plugins", nil, "state pubsub configuration bindings"},
		{"an auditing store", []component.Decl{decl("a", "state.wasm", "p"), decl("p", "pubsub.redis", "")}, "pubsub state configuration bindings"},
		{"both ways", []component.Decl{
			decl("a", "state.wasm", "p"), decl("p", "pubsub.wasm", "s"), decl("s", "state.redis", ""),
		}, "pubsub state configuration bindings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(Kinds(all, tt.decls), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
