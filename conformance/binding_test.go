package conformance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	suite "github.com/dapr/components-contrib/tests/conformance/bindings"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// bindingTest is one run of the suite.
type bindingTest struct {
	name       string
	typ        string
	operations []string
	output     map[string]string
	data       string // of requests; when it is empty the suite's
	// open starts what the binding is for, and gives the properties and what makes it tell something.
	open func(t *testing.T) (properties map[string]string, emit func(binding.Binding) error)
}

func bindingTests() []bindingTest {
	return append(ownBindingTests(), serverBindingTests()...)
}

// ownBindingTests need no server, or one of those that start at once.
func ownBindingTests() []bindingTest {
	redis := func(t *testing.T) (map[string]string, func(binding.Binding) error) {
		return map[string]string{"redisHost": testserver.Redis(t).Addr, "redisPassword": "", "enableTLS": "false"}, nil
	}
	folder := func(t *testing.T) (map[string]string, func(binding.Binding) error) {
		return map[string]string{"rootPath": t.TempDir()}, nil
	}
	return []bindingTest{
		{
			typ: "bindings.cron", operations: []string{"read"},
			open: func(*testing.T) (map[string]string, func(binding.Binding) error) {
				return map[string]string{"schedule": "@every 1s"}, nil
			},
		},
		{typ: "bindings.http", operations: []string{"create", "get", "operations"}, open: echo},
		{
			name: "without delete and list", typ: "bindings.localstorage", operations: []string{"create", "get", "operations"},
			output: map[string]string{"fileName": "folder/file"}, open: folder,
		},
		{name: "without name", typ: "bindings.localstorage", operations: []string{"create", "list", "operations"}, open: folder},
		{
			name: "without get", typ: "bindings.localstorage", operations: []string{"create", "delete", "operations"},
			output: map[string]string{"fileName": "folder/file"}, open: folder,
		},
		{
			name: "without delete", typ: "bindings.redis", operations: []string{"create", "get", "operations"},
			output: map[string]string{"key": "k"}, open: redis,
		},
		{
			name: "without get", typ: "bindings.redis", operations: []string{"create", "delete", "operations"},
			output: map[string]string{"key": "k"}, open: redis,
		},
		{
			name: "core", typ: "bindings.nats", operations: []string{"create", "operations", "read"},
			open: func(t *testing.T) (map[string]string, func(binding.Binding) error) {
				return map[string]string{"natsURL": testserver.NATS(t).URL, "subject": "conformance"}, nil
			},
		},
		{
			name: "jetstream", typ: "bindings.nats", operations: []string{"create", "operations", "read"},
			open: func(t *testing.T) (map[string]string, func(binding.Binding) error) {
				return map[string]string{"natsURL": testserver.NATS(t).URL, "subject": "conformance", "jetstream": "true"}, nil
			},
		},
		{
			typ: "bindings.file", operations: []string{"read"},
			open: func(t *testing.T) (map[string]string, func(binding.Binding) error) {
				dir := t.TempDir()
				return map[string]string{"path": dir}, func(binding.Binding) error {
					return os.WriteFile(filepath.Join(dir, "new"), []byte("content"), 0o600)
				}
			},
		},
		{
			typ: "bindings.webhook", operations: []string{"read"},
			open: func(*testing.T) (map[string]string, func(binding.Binding) error) {
				return map[string]string{"path": "/hook"}, post
			},
		},
	}
}

// echo is a server that answers with the body of the last request that had one.
func echo(t *testing.T) (map[string]string, func(binding.Binding) error) {
	var last []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.Method == http.MethodPost {
			last = body
		}
		if err == nil {
			_, err = w.Write(last)
		}
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	return map[string]string{"url": server.URL}, nil
}

// post sends a request to a webhook as the host's front door does.
func post(b binding.Binding) error {
	w := httptest.NewRecorder()
	b.(binding.Server).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader("event")))
	if w.Code != http.StatusNoContent {
		return fmt.Errorf("webhook: got %d %s, want 204", w.Code, w.Body)
	}
	return nil
}

func TestBindings(t *testing.T) {
	t.Parallel()
	for _, tt := range bindingTests() {
		name := tt.typ
		if tt.name != "" {
			name += " " + tt.name
		}
		t.Run(name, func(t *testing.T) {
			// The suite's NewTestConfig sets variables of its package.
			config := map[string]any{"output": tt.output, "readBindingWait": "1s"}
			if tt.data != "" {
				config["outputData"] = tt.data
			}
			cfg, err := suite.NewTestConfig(tt.typ, tt.operations, config)
			if err != nil {
				t.Fatal(err)
			}
			var properties map[string]string
			b := &bindings{}
			if tt.open == nil {
				b.opener = feed(t)
			} else {
				b.opener = testOpener(t, tt.typ)
				properties, b.emit = tt.open(t)
			}
			t.Parallel()
			if !cfg.HasOperation("operations") || !cfg.HasOperation("read") {
				suite.ConformanceTests(t, properties, b, b, cfg)
				return
			}
			// Both directions are opened and closed for themselves.
			suite.ConformanceTests(t, properties, b, &bindings{opener: b.opener}, cfg)
		})
	}
}
