package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// TestNothingWhereARestIsWanted: a route that ends in a wildcard needs something there; the mux's own answer would be
// a redirect to the very path that was asked for.
func TestNothingWhereARestIsWanted(t *testing.T) {
	bus := &store{name: "bus", extra: func(handle func(string, http.HandlerFunc)) {
		PostPut(handle, "/v1.0/publish/{bus}/{topic...}", func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, 200, r.PathValue("topic"))
		})
	}}
	url := open(t, Config{Blocks: []block.Block{bus}})
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/v1.0/publish/b/t/u": {200, `"t/u"`}, "/v1.0/publish/b/": {404, `"ERR_DIRECT_INVOKE"`}, "/v1.0/publish/b": {404, `"ERR_DIRECT_INVOKE"`},
	} {
		if res, body := send(t, "POST", url+path, nil); res.StatusCode != want.status || !strings.Contains(body, want.body) {
			t.Errorf("%s: got %d %s, want %d %s", path, res.StatusCode, body, want.status, want.body)
		}
	}
}

// hanging is a block whose server takes connections and answers nothing.
type hanging struct{ store }

func (h *hanging) Ready(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestHealthDoesNotWaitForAServerThatHangs(t *testing.T) {
	url := open(t, Config{Blocks: []block.Block{&hanging{store{name: "state"}}}, CheckTimeout: 50 * time.Millisecond})
	if res, body := send(t, "GET", url+"/readyz", nil); res.StatusCode != 503 || !strings.Contains(body, `"block state":"context deadline exceeded"`) {
		t.Errorf("got %d %s, want 503 and the reason", res.StatusCode, body)
	}
}
