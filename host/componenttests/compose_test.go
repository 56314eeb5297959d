package componenttests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

const (
	quotesIface = "acme:pricing/quotes@1.0.0"
	handle      = "mrt:http/handler@0.1.0#handle"
)

// pricing reads a component of testdata/pricing: consumer answers HTTP requests with what provider says of prices.
func pricing(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "pricing", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// exchange is a request and what the consumer answers to it.
type exchange struct {
	path, body string
	status     int
	want       string
}

// cheap are the answers with the prices of provider.wasm.
var cheap = []exchange{
	{"/price/pear", "", 200, "pear: 0.50\n"},
	{"/price/plum", "", 404, "plum has no price\n"},
	{
		"/quote", "Ann: apple 4 red sweet, pear 2\nBört: Ölkännchen 1 weiß", 200,
		"lines: 3\n4 x apple [\"red\", \"sweet\"]: 1.00\n2 x pear []: 1.00\n1 x Ölkännchen [\"weiß\"]: 12.75\nAnn and Bört: 14.75 Some(\"red+sweet+weiß\")\n",
	},
	{"/quote", "Ann: apple 1", 200, "lines: 1\n1 x apple []: 0.25\nAnn: 0.25 None\n"},
	{"/quote", "Ann: plum 1, apple 2, fig", 404, "lines: 3\nunknown: plum, fig\n"},
	{"/quote", "", 400, "lines: 0\nnothing to quote\n"},
}

// dear are some with those of provider-dear.wasm.
var dear = []exchange{
	{"/price/pear", "", 200, "pear: 1.00\n"},
	{"/quote", "Ann: apple 1", 200, "lines: 1\n1 x apple []: 0.50\nAnn: 0.50 None\n"},
}

// A component calls another with records, lists, variants and resources, and resets leave nothing of a call.
func TestComposition(t *testing.T) {
	for _, graph := range []bool{false, true} {
		e := enginetest.New(t, func(c *engine.Config) { c.Graph = graph })
		for _, policy := range []engine.Policy{engine.Reset, engine.Reuse} {
			t.Run(fmt.Sprintf("graph %v policy %d", graph, policy), func(t *testing.T) {
				checkPrices(t, e, policy, "provider", cheap)
				checkPrices(t, e, policy, "provider-dear", dear)
			})
		}
	}
}

func checkPrices(t *testing.T, e *engine.Engine, policy engine.Policy, provider string, exchanges []exchange) {
	t.Helper()
	m, err := e.Compose(t.Context(), "consumer", pricing(t, "consumer"), map[string][]byte{quotesIface: pricing(t, provider)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Pool(t.Context(), engine.PoolConfig{App: "consumer", Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(p.Close(context.WithoutCancel(t.Context())), m.Close(context.WithoutCancel(t.Context()))); err != nil {
			t.Error(err)
		}
	}()
	for range 3 {
		for _, x := range exchanges {
			err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				text := canon.Str("")
				request := canon.Elems(canon.Str("POST"), text, text, canon.Str(x.path), text, text, canon.Value{}, canon.Str(x.body))
				got, err := engine.Invoke(ctx, g, handle, request)
				if err != nil {
					return err
				}
				if status, body := int(got.Elems[0].Bits), got.Elems[2].Str; status != x.status || body != x.want {
					t.Errorf("%s %q: got %d %q, want %d %q", x.path, x.body, status, body, x.status, x.want)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s %q: %v", x.path, x.body, err)
			}
		}
	}
}

// What does not fit together is refused with what was expected and found.
func TestCompositionErrors(t *testing.T) {
	bin := tools(t)
	dummy := func(wit string) []byte {
		return componentOf(t, bin, wit, "provider", nil)
	}
	quotes, err := os.ReadFile(filepath.Join("testdata", "pricing", "wit", "quotes.wit"))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(old, new string) []byte {
		if !strings.Contains(string(quotes), old) {
			t.Fatalf("quotes.wit has no %q", old)
		}
		return dummy(strings.Replace(string(quotes), old, new, 1))
	}
	tests := []struct {
		name string
		deps map[string][]byte
		want []string
	}{
		{"nobody", nil, []string{quotesIface}},
		{"a parameter of another type", map[string][]byte{quotesIface: changed("price: func(article: string)", "price: func(article: u32)")}, []string{quotesIface, "price", "string", "u32"}},
		{"a field more", map[string][]byte{quotesIface: changed("count: u32,", "count: u32, discount: u8,")}, []string{quotesIface, "line", "discount"}},
		{"a function less", map[string][]byte{quotesIface: changed("lines: func(baskets: list<borrow<basket>>) -> u32;", "")}, []string{quotesIface, "lines"}},
		{"a major version more", map[string][]byte{quotesIface: changed("@1.0.0", "@2.0.0")}, []string{quotesIface, "acme:pricing/quotes@2.0.0"}},
		{"no component", map[string][]byte{quotesIface: []byte("\x00asm\x01\x00\x00\x00")}, []string{quotesIface, "component"}},
		{"not wasm", map[string][]byte{quotesIface: []byte("hello")}, []string{quotesIface, "component"}},
	}
	e := enginetest.New(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := e.Compose(t.Context(), "consumer", pricing(t, "consumer"), tt.deps)
			if err == nil {
				_, err = m.Pool(t.Context(), engine.PoolConfig{App: "consumer"})
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("want an error with %q, got %v", want, err)
				}
			}
		})
	}
}

// A provider of a later version of the same track fits, also where the dependency names no version.
func TestCompositionVersions(t *testing.T) {
	quotes, err := os.ReadFile(filepath.Join("testdata", "pricing", "wit", "quotes.wit"))
	if err != nil {
		t.Fatal(err)
	}
	later := componentOf(t, tools(t), strings.Replace(string(quotes), "@1.0.0", "@1.4.2", 1), "provider", nil)
	e := enginetest.New(t)
	for _, iface := range []string{quotesIface, "acme:pricing/quotes@1.4.2", "acme:pricing/quotes"} {
		m, err := e.Compose(t.Context(), "consumer", pricing(t, "consumer"), map[string][]byte{iface: later})
		if err != nil {
			t.Errorf("%s: %v", iface, err)
			continue
		}
		for _, i := range m.Imports() {
			t.Errorf("%s: want no import left, got %s#%s", iface, i.Module, i.Name)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// loaded maps app names to their wasm, which may change.
type loaded struct {
	mu   sync.Mutex
	wasm map[string][]byte // guarded by mu
}

func (l *loaded) Load(_ context.Context, app *manifest.App) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wasm, ok := l.wasm[app.Name()]
	if !ok {
		return nil, fmt.Errorf("the test has no app %s", app.Name())
	}
	return wasm, nil
}

func (l *loaded) set(app string, wasm []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wasm[app] = wasm
}

const pricingManifest = `apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: shop}
spec:
  source: {wasm: consumer.wasm}
  http: {routes: [/...]}
  dependencies: {"acme:pricing/quotes@1.0.0": FROM}
`

const pricesApp = `---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: prices}
spec: {source: {wasm: provider.wasm}}
`

// newHost makes a host of a manifest in a folder with the components; loader may be nil.
func newHost(t *testing.T, text string, loader host.Loader) (*host.Host, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"manifest.yaml": []byte(text), "consumer.wasm": pricing(t, "consumer"), "provider.wasm": pricing(t, "provider"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manifest.Load(filepath.Join(dir, "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers, Loader: loader,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0",
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return h, h.Start(t.Context())
}

// checkFront sends requests to the front door.
func checkFront(t *testing.T, h *host.Host, exchanges []exchange) {
	t.Helper()
	front, _ := h.Addrs()
	for _, x := range exchanges {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != x.status || string(got) != x.want {
			t.Errorf("%s %q: got %d %q, want %d %q", x.path, x.body, resp.StatusCode, got, x.status, x.want)
		}
	}
}

// An app of the manifest provides what another one imports; loaded anew, it is so for the other one too.
func TestDependencyOnApp(t *testing.T) {
	l := &loaded{wasm: map[string][]byte{"shop": pricing(t, "consumer"), "prices": pricing(t, "provider")}}
	h, err := newHost(t, strings.Replace(pricingManifest, "FROM", "prices", 1)+pricesApp, l)
	if err != nil {
		t.Fatal(err)
	}
	checkFront(t, h, cheap)
	l.set("prices", pricing(t, "provider-dear"))
	if err := h.Reload(t.Context(), "prices"); err != nil {
		t.Fatal(err)
	}
	checkFront(t, h, dear)
	l.set("prices", pricing(t, "consumer"))
	if err := h.Reload(t.Context(), "prices"); err == nil || !strings.Contains(err.Error(), quotesIface) {
		t.Errorf("a provider that does not provide any more: want an error about %s, got %v", quotesIface, err)
	}
	checkFront(t, h, dear) // as before
}

// A file provides what an app imports.
func TestDependencyOnFile(t *testing.T) {
	h, err := newHost(t, strings.Replace(pricingManifest, "FROM", "provider.wasm", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFront(t, h, cheap)
}

// A dependency that does not provide the interface is an error that names the line of the manifest.
func TestDependencyErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{
			"another component", strings.Replace(pricingManifest, "FROM", "consumer.wasm", 1),
			[]string{"manifest.yaml:", "app shop", quotesIface},
		},
		{
			"none", pricingManifest[:strings.Index(pricingManifest, "  dependencies")],
			[]string{"app shop", quotesIface, "nobody provides", "spec.dependencies"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newHost(t, tt.text, nil)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("want an error with %q, got %v", want, err)
				}
			}
		})
	}
}
