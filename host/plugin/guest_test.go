package plugin

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// TestBlockOfTwoInterfaces: a plugin has both interfaces of a block that has two, if it is granted a component, and
// neither otherwise.
func TestBlockOfTwoInterfaces(t *testing.T) {
	g, err := newGuest("plug", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	b, err := crypto.New(t.Context(), crypto.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.provide(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, granted := range []bool{true, false} {
		grant := func(kind string) bool { return granted && kind == "crypto" }
		funcs, err := g.functions(t.Context(), grant)
		if err != nil {
			t.Fatal(err)
		}
		for _, iface := range []string{abicrypto.CipherModule, abicrypto.SubtleModule} {
			if err := g.missing([]string{iface}, grant); (err == nil) != granted {
				t.Errorf("%s with a grant %t: got error %v", iface, granted, err)
			} else if err != nil && !strings.Contains(err.Error(), "no component of kind crypto is granted to it") {
				t.Errorf("%s: got error %v", iface, err)
			}
			has := false
			for _, f := range funcs {
				has = has || f.Module == iface
			}
			if has != granted {
				t.Errorf("%s with a grant %t: the plugin has it: %t", iface, granted, has)
			}
		}
	}
}
