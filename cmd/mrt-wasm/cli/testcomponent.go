package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

const testComponentHelp = `Runs the conformance suite of a building block on a component that is a wasm module: the same suite
that the built-in drivers pass.

FILE.wasm is the module; FOLDER is a Go main package, which is built. The kind is what the module exports, unless --kind
says it. Components that the module is to use stand in --component; they are granted to it.

Suites of some kinds need to be told how to change what the component shows:
  secret         --plant FIELD     the metadata field by which init gets the suite's secrets: JSON by name and key, in base64
  configuration  --store NAME      the state store of --component where values are written, each under its key
  crypto         --plant FIELD     the metadata field by which init gets the suite's keys: JSON by name, in base64; a key pair is
                                   PKCS #8 in PEM, a symmetric key base64
  binding        --key FIELD       the metadata field that names an object for create, get and delete
                 --emit OPERATION  the operation that has the input binding bring an event with its data`

// componentTest is what test-component was asked for.
type componentTest struct {
	drivers                 host.Drivers
	kind, run               string
	verbose                 bool
	metadata, components    map[string]string
	plant, store, key, emit string
	badETag, tag            string
	source                  string
	initTimeout             time.Duration
	dir                     string
	errOut                  io.Writer
}

func newTestComponent(drivers host.Drivers) *cobra.Command {
	c := componentTest{drivers: drivers}
	cmd := &cobra.Command{
		Use:   "test-component FILE.wasm|FOLDER",
		Short: "Run the conformance suite on a component that is a wasm module",
		Long:  testComponentHelp,
		Example: `  mrt-wasm test-component ./mystore
  mrt-wasm test-component mystore.wasm --metadata url=http://127.0.0.1:9000
  mrt-wasm test-component ./encrypting --component inner=state.in-memory --metadata store=inner`,
		Args: exactly("FILE.wasm|FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.errOut = cmd.ErrOrStderr()
			return c.do(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.kind, "kind", "", "state, pubsub, binding, secret, configuration, lock, crypto or middleware (default: what the module exports)")
	f.StringToStringVar(&c.metadata, "metadata", nil, "metadata field of the component, NAME=VALUE; may be repeated")
	f.StringToStringVar(&c.components, "component", nil, "component that is granted to the module, NAME=TYPE; may be repeated")
	f.StringVar(&c.run, "run", "", "run only the tests whose names match this pattern, as go test -run")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "print every test, as go test -v")
	f.StringVar(&c.plant, "plant", "", "secret, crypto: the metadata field by which init gets the suite's secrets or keys")
	f.StringVar(&c.store, "store", "", "configuration: the state store where values are written")
	f.StringVar(&c.key, "key", "", "binding: the metadata field that names an object")
	f.StringVar(&c.emit, "emit", "", "binding: the operation that brings an event")
	f.StringVar(&c.badETag, "bad-etag", "", "state: an etag that the store could not have given, so that it is an invalid one")
	f.StringVar(&c.tag, "tag", "", "state: what stands in every key of one transaction")
	f.DurationVar(&c.initTimeout, "init-timeout", time.Minute, "how long a start of the component may take")
	complete(cmd, "kind", slices.Sorted(maps.Keys(kindTypes()))...)
	return cmd
}

// kindTypes are the kinds and the types of their components.
func kindTypes() map[string]string {
	return map[string]string{
		"state": "state.wasm", "pubsub": "pubsub.wasm", "binding": "bindings.wasm", "secret": "secretstores.wasm",
		"configuration": "configuration.wasm", "lock": "lock.wasm", "crypto": "crypto.wasm",
		"middleware": "middleware.http.wasm",
	}
}

func (c *componentTest) do(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "mrt-wasm-test-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.dir = dir
	wasm, err := c.load(ctx, path)
	if err != nil {
		return err
	}
	if c.kind == "" {
		if c.kind, err = kindOf(path, wasm); err != nil {
			return err
		}
	}
	if kindTypes()[c.kind] == "" {
		return usagef("--kind %s: want one of %s", c.kind, strings.Join(slices.Sorted(maps.Keys(kindTypes())), ", "))
	}
	suite, err := c.suite()
	if err != nil {
		return err
	}
	return c.runSuite(suite)
}

// load gives the wasm, and leaves it where the components' manifest finds it.
func (c *componentTest) load(ctx context.Context, path string) ([]byte, error) {
	spec := source.Spec{App: "component", Wasm: path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		spec = source.Spec{App: "component", Go: path}
	}
	report := &reporter{people: c.errOut}
	wasm, err := source.New(source.Options{Dir: filepath.Join(c.dir, "build"), Progress: report.build}).Load(ctx, spec)
	if err != nil {
		return nil, err
	}
	c.source = filepath.Join(c.dir, "component.wasm")
	return wasm, os.WriteFile(c.source, wasm, 0o600)
}

// kindOf tells by the exports of a module what it is a component of.
func kindOf(path string, wasm []byte) (string, error) {
	for kind, driver := range map[string]string{
		"state": "mrt:state/driver@", "pubsub": "mrt:pubsub/driver@", "secret": "mrt:secret/driver@",
		"configuration": "mrt:configuration/driver@", "lock": "mrt:lock/driver@", "crypto": "mrt:crypto/driver@",
		"binding": "mrt:binding/output-driver@", "middleware": "mrt:http/middleware@",
	} {
		if bytes.Contains(wasm, []byte(driver)) {
			return kind, nil
		}
	}
	if bytes.Contains(wasm, []byte("mrt:binding/input-driver@")) {
		return "binding", nil
	}
	return "", fmt.Errorf("%s exports no driver of a building block, such as mrt:state/driver; in Go, import the block's driver package of the SDK", path)
}

// under is the name of the component that is tested.
const under = "component"

// document is one component of a manifest.
type document struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   map[string]string `yaml:"metadata"`
	Spec       documentSpec      `yaml:"spec"`
}

type documentSpec struct {
	Type        string              `yaml:"type"`
	Version     string              `yaml:"version"`
	InitTimeout string              `yaml:"initTimeout"`
	Metadata    []map[string]string `yaml:"metadata"`
}

func (c *componentTest) document(name, typ string, metadata map[string]string) document {
	d := document{APIVersion: "dapr.io/v1alpha1", Kind: "Component", Metadata: map[string]string{"name": name}}
	d.Spec = documentSpec{Type: typ, Version: "v1", InitTimeout: c.initTimeout.String()}
	for _, field := range slices.Sorted(maps.Keys(metadata)) {
		d.Spec.Metadata = append(d.Spec.Metadata, map[string]string{"name": field, "value": metadata[field]})
	}
	return d
}

// open starts a host with the component, and those that are granted to it.
func (c *componentTest) open(ctx context.Context, more map[string]string) (*host.Host, error) {
	metadata := map[string]string{"source": c.source}
	if names := slices.Sorted(maps.Keys(c.components)); len(names) > 0 {
		metadata["imports"] = strings.Join(names, ",")
	}
	maps.Copy(metadata, c.metadata)
	maps.Copy(metadata, more)
	docs := []document{c.document(under, kindTypes()[c.kind], metadata)}
	for _, name := range slices.Sorted(maps.Keys(c.components)) {
		docs = append(docs, c.document(name, c.components[name], nil))
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	for _, d := range docs {
		if err := enc.Encode(d); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(c.dir, "host-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "manifest.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	m, err := readManifest(c.drivers, []string{file}, true)
	if err != nil {
		return nil, err
	}
	return host.New(ctx, host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: filepath.Join(c.dir, "cache"), Drivers: c.drivers,
		Log: slog.New(slog.NewTextHandler(c.errOut, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

// runSuite runs a suite as go test does, with its output and its exit code: it does not return.
func (c *componentTest) runSuite(suite func(t *testing.T)) error {
	testing.Init()
	var args []string
	if c.verbose {
		args = append(args, "-test.v")
	}
	if c.run != "" {
		args = append(args, "-test.run="+c.run)
	}
	if err := flag.CommandLine.Parse(args); err != nil {
		return usagef("--run %s: %v", c.run, err)
	}
	testing.Main(regexp.MatchString, []testing.InternalTest{{Name: "Conformance", F: func(t *testing.T) {
		t.Cleanup(func() {
			if err := os.RemoveAll(c.dir); err != nil {
				t.Errorf("remove what the test left: %v", err)
			}
		})
		suite(t)
	}}}, nil, nil)
	return nil
}

var errWrongDriver = errors.New("the component is not of this kind")

// driver opens the component for a test, and gives it as T and its host, which ends with the test.
func driver[T any](t testing.TB, c *componentTest, more map[string]string) (T, *host.Host) {
	t.Helper()
	h, err := c.open(t.Context(), more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		const patience = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return of[T](t, h, under), h
}

// of gives a component of a host.
func of[T any](t testing.TB, h *host.Host, name string) T {
	t.Helper()
	d, err := h.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := d.(T)
	if !ok {
		t.Fatalf("component %s: %v: it is a %T", name, errWrongDriver, d)
	}
	return got
}
