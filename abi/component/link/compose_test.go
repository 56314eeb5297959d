package link_test

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

func TestCompose(t *testing.T) {
	for _, key := range []string{"test:count/counters", "test:count/counters@1.0.0", "test:count/counters@1.9.0"} {
		p, err := link.Compose(load(t, "app"), map[string]*component.Component{key: load(t, "counter")})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		checkPlan(t, key, p)
		golden(t, "composed.plan", dump(p))
	}
}

// TestComposeChain composes three components in a row: the last one's import is the host's.
func TestComposeChain(t *testing.T) {
	p, err := link.Compose(load(t, "cycle"), map[string]*component.Component{
		"test:chain/front": load(t, "front"), "test:chain/next": load(t, "middle"),
	})
	if err != nil {
		t.Fatal(err)
	}
	checkPlan(t, "chain", p)
	if len(p.Imports) != 1 || p.Imports[0].Interface != "test:chain/next" {
		t.Errorf("got imports %v, want test:chain/next of the host", p.Imports)
	}
	if len(p.Exports) != 1 || p.Exports[0].Lifted == nil || p.Exports[0].Interface != "test:chain/next" {
		t.Errorf("got exports %v, want the function of the dependency", p.Exports)
	}
}

func TestComposeErrors(t *testing.T) {
	cases := []struct {
		name, root string
		deps       map[string]string
		want       []string
	}{
		{
			"wrong type", "app",
			map[string]string{"test:count/counters": "wrong"},
			[]string{
				`"[method]counter.bump"`, `"test:count/counters@1.0.0"`, `"test:count/counters@1.4.0"`,
				"by: u32) -> u32", "by: u64) -> u32",
			},
		},
		{
			"no such export", "app",
			map[string]string{"test:count/counters": "middle"},
			[]string{`exports "test:count/counters@1.0.0"`, `found one that exports ["test:chain/next"]`},
		},
		{
			"not needed", "app",
			map[string]string{"test:count/counters": "counter", "test:count/other": "counter"},
			[]string{`dependency "test:count/other"`, `imports ["test:count/counters@1.0.0" "test:host/clock@0.2.3"]`},
		},
		{
			"cycle", "front",
			map[string]string{"test:chain/next": "cycle", "test:chain/front": "front2"},
			[]string{"needs itself by way of others"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			root := load(t, tc.root)
			deps := map[string]*component.Component{}
			for key, name := range tc.deps {
				if name == tc.root+"2" {
					deps[key] = root
				} else {
					deps[key] = load(t, name)
				}
			}
			_, err := link.Compose(root, deps)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s in it", err, want)
				}
			}
		})
	}
}
