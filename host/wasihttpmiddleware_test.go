package host_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// Middleware stands in front of components as in front of all apps, and sees their whole requests.
func TestWASIHTTPBehindMiddleware(t *testing.T) {
	guard := filepath.Join(t.TempDir(), "guard.wasm")
	if err := os.WriteFile(guard, enginetest.Build(t, "../examples/component-middleware/guard"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := app("one", "memory: 16Mi") + `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: guard}
spec:
  type: middleware.http.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: "` + guard + `"}
    - {name: header, value: X-Key}
    - {name: clients, value: "secret=ada"}
    - {name: rate, value: "1000"}
    - {name: burst, value: "1000"}
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: pipeline}
spec:
  appHttpPipeline:
    handlers:
      - {name: guard, type: middleware.http.wasm}
`
	front, _ := startStreamers(t, text, io.Discard, "one")
	if status, _, body := fetch(t, "GET", front+"/one/count", ""); status != 401 {
		t.Errorf("without a key: got %d %s, want 401", status, body)
	}
	content := strings.Repeat("x", 1<<20)
	req, err := http.NewRequestWithContext(t.Context(), "POST", front+"/one/echo", strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Key", "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || string(body) != content || res.Header.Get("X-Key") != "" {
		t.Errorf("got %d %v with %d bytes, %v; want the content back, and not the key", res.StatusCode, res.Header, len(body), err)
	}
}
