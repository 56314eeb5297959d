package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mrt-wasm/mrt-wasm"

// rule says what the packages under a path may import, besides the standard library. It is a statement of policy:
// do not change it to mend a build. The first rule that fits a package counts.
type rule struct {
	path string // package path within the module; "…" at the end takes in everything below
	may  []string
	why  string
}

const thirdParty = "third-party"

var (
	// infra is what every block may use of the host.
	infra = []string{"host/block", "host/chain", "host/component", "host/trigger", "host/telemetry", "host/api…", "host/internal…"}
	rules = []rule{
		{"abi/witgen…", []string{"abi…", thirdParty}, "the generator is a tool of both sides"},
		{"abi…", []string{"abi…"}, "abi is what host and guest both know: the standard library only"},
		{"wit", nil, "the contracts as files"},
		{"guest-sdk…", []string{"guest-sdk…", "abi…"}, "guests are small and build without downloads"},
		{"host/engine…", []string{"abi…", "host/engine…", "github.com/tetratelabs/wazero…", "golang.org/x/sys/unix", "github.com/klauspost/compress/s2"}, "the engine knows neither blocks nor drivers"},
		{"host/component", []string{"abi"}, "the registry of drivers knows no kind of driver; a plugin is reached as an abi.Guest"},
		{"host/chain", nil, "blocks use the chain without knowing what is in it"},
		{"host/trigger", nil, "the shape of triggers"},
		{"host/block", []string{"abi", "host/trigger"}, "the shape of blocks"},
		{"host/manifest…", []string{"host/manifest…", thirdParty}, "the manifest has no side effects"},
		{"host/schedule…", []string{"host/schedule…", thirdParty}, "time is the same for all blocks: it knows neither them nor the engine"},
		{"host/telemetry…", []string{"abi", "host/chain", "host/telemetry…", thirdParty}, "telemetry is an observer of the chain"},
		{"host/resiliency…", []string{"host/chain", "host/manifest", thirdParty}, "policies of the chain know no block"},
		{"host/embedded…", []string{"host/component", "host/embedded…", thirdParty}, "embedded services are given to drivers"},
		{"host/source…", []string{"host/manifest", "host/source…", thirdParty}, "sources become wasm before the engine sees them"},
		{"host/internal…", []string{"host/internal…", thirdParty}, "helpers of tests"},
		{"host/api…", append([]string{"abi…", thirdParty}, infra...), "the API server mounts blocks that it does not know"},
		{"host/wasi…", []string{"abi…", "host/chain", "host/wasi…", "golang.org/x…"}, "WASI is a library of host functions: it knows neither blocks nor the engine"},
		{"host/log…", blockMay("log"), "a block knows no other block, no driver and no engine"},
		{"host/http…", blockMay("http"), "a block knows no other block, no driver and no engine"},
		{"host/invoke…", blockMay("invoke"), "a block knows no other block, no driver and no engine"},
		{"host/state…", blockMay("state"), "a block knows no other block, no driver and no engine"},
		{"host/binding…", blockMay("binding"), "a block knows no other block, no driver and no engine"},
		{"host/pubsub…", blockMay("pubsub"), "a block knows no other block, no driver and no engine"},
		{"host/configuration…", blockMay("configuration"), "a block knows no other block, no driver and no engine"},
		{"host/lock…", blockMay("lock"), "a block knows no other block, no driver and no engine"},
		{"host/crypto…", blockMay("crypto"), "a block knows no other block, no driver and no engine"},
		{"host/secret…", blockMay("secret"), "a block knows no other block, no driver and no engine"},
		{"host/actor…", append(blockMay("actor"), "host/schedule…"), "a block knows no other block, no driver and no engine"},
		{"host…", []string{"abi…", "host…", thirdParty}, "composition: everything of the host, no driver"},
		{"components/standard", []string{"components…", "host…"}, "the list of drivers"},
		{"components/internal/wasmplugin", []string{"abi", "abi/canon", "host/component"}, "what drivers that are plugins share: the contracts' common forms"},
		{"components/internal/localkeys", []string{"host/crypto", "host/component", thirdParty}, "a vault in the process, for drivers that have the keys"},
		{"components/internal…", []string{"components/internal…", "host/component", thirdParty}, "what drivers of one server share"},
		{"components/state/wasm", pluginMay("state"), "a driver that is a plugin calls it by the block's glue"},
		{"components/pubsub/wasm", pluginMay("pubsub"), "a driver that is a plugin calls it by the block's glue"},
		{"components/binding/wasm", pluginMay("binding"), "a driver that is a plugin calls it by the block's glue"},
		{"components/secret/wasm", pluginMay("secret"), "a driver that is a plugin calls it by the block's glue"},
		{"components/http/wasm", pluginMay("http"), "a driver that is a plugin calls it by the block's glue"},
		{"components/configuration/wasm", pluginMay("configuration"), "a driver that is a plugin calls it by the block's glue"},
		{"components/lock/wasm", pluginMay("lock"), "a driver that is a plugin calls it by the block's glue"},
		{"components/crypto/wasm", pluginMay("crypto"), "a driver that is a plugin calls it by the block's glue"},
		{"components…", []string{"self", "components/internal…", "host/state…", "host/pubsub…", "host/binding…", "host/configuration…", "host/lock…", "host/crypto…", "host/secret…", "host/component", "host/embedded", "host/internal…", thirdParty}, "a driver knows its block and its client library, no other driver"},
		{"examples/internal…", []string{"examples/internal…"}, "helpers of the examples' tests"},
		{"examples…", []string{"guest-sdk…", "self", "examples/internal…"}, "an example is what a user writes"},
		{"cmd…", []string{"cmd…", "abi…", "host…", "components…", "guest-sdk", "wit", thirdParty}, "the command line"},
		{"bench…", []string{"abi…", "host…", "components…", "guest-sdk…", "bench…", thirdParty}, "measurements"},
	}
)

func blockMay(name string) []string {
	return append([]string{"abi…", "host/" + name + "…", thirdParty}, infra...)
}

func pluginMay(name string) []string {
	return []string{"abi", "abi/" + name, "components/internal/wasmplugin", "host/" + name, "host/component", thirdParty}
}

// never are modules that no package may import, except those given.
var never = map[string][]string{
	"github.com/tetratelabs/wazero":      {"host/engine"},
	"github.com/dapr/components-contrib": nil,
	"github.com/dapr/dapr":               nil,
	"github.com/dapr/kit":                {"host/crypto", "components/internal/localkeys"},
	"github.com/aws":                     nil,
	"github.com/Azure":                   nil,
	"cloud.google.com":                   nil,
	"k8s.io":                             nil,
}

type pkg struct {
	ImportPath, Doc                    string
	Imports, TestImports, XTestImports []string
	Standard                           bool
}

func TestImportsPointOneWay(t *testing.T) {
	for _, target := range [][2]string{{"", ""}, {"wasip1", "wasm"}} {
		for _, p := range list(t, target[0], target[1]) {
			self := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
			r := ruleFor(self)
			if r == nil {
				t.Errorf("package %s has no rule: say in imports_test.go what it may import", self)
				continue
			}
			for _, imp := range p.Imports {
				if !allowed(*r, self, imp) {
					t.Errorf("%s imports %s: it may import only the standard library and %v (%s)", self, imp, r.may, r.why)
				}
			}
			checkNever(t, self, slices.Concat(p.Imports, p.TestImports, p.XTestImports))
		}
	}
}

func TestPackagesHaveDocs(t *testing.T) {
	for _, p := range list(t, "", "") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func checkNever(t *testing.T, self string, imports []string) {
	t.Helper()
	for _, imp := range imports {
		for mod, but := range never {
			if !under(imp, mod+"…") {
				continue
			}
			if !slices.ContainsFunc(but, func(b string) bool { return under(self, b+"…") }) {
				t.Errorf("%s imports %s: only %v may", self, imp, but)
			}
		}
	}
}

func ruleFor(path string) *rule {
	for i := range rules {
		if under(path, rules[i].path) {
			return &rules[i]
		}
	}
	return nil
}

func allowed(r rule, self, imp string) bool {
	ours := strings.HasPrefix(imp, module+"/") || imp == module
	if !ours && !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return true // the standard library
	}
	within := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
	for _, may := range r.may {
		switch {
		case may == thirdParty && !ours,
			may == "self" && within != self && strings.HasPrefix(within, self+"/"),
			under(within, may), under(imp, may):
			return true
		}
	}
	return false
}

// under tells whether path is pattern, or below it if the pattern ends in "…".
func under(path, pattern string) bool {
	base, deep := strings.CutSuffix(pattern, "…")
	return path == base || deep && (base == "" || strings.HasPrefix(path, base+"/"))
}

func list(t *testing.T, goos, goarch string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Doc,Imports,TestImports,XTestImports,Standard", module+"/...")
	cmd.Dir = root(t)
	cmd.Env = os.Environ()
	if goos != "" {
		cmd.Env = append(cmd.Env, "GOOS="+goos, "GOARCH="+goarch)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list output: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list gave %d packages; want the whole module", len(pkgs))
	}
	return pkgs
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the module's root is not at %s: %v", dir, err)
	}
	return dir
}
