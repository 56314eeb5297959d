package standard_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// TestShopOnRedisAndVault runs the main example's check on its second manifest. It is here and not with the example, since
// examples import nothing of components.
func TestShopOnRedisAndVault(t *testing.T) {
	const password, key = "of the shop's Redis", "of the shop's receipts"
	server, vault := testserver.Redis(t, "--requirepass", password), testserver.Vault(t)
	for name, values := range map[string]map[string]any{"redis": {"password": password}, "receipts": {"key": key}} {
		if _, err := vault.Client().KVv2("secret").Put(t.Context(), "dapr/"+name, values); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	secrets, err := json.Marshal(map[string]map[string]string{"receipts": {"key": key}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets.json"), secrets, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "../../cmd/mrt-wasm", "../../examples/shop/check")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	check := exec.CommandContext(t.Context(), filepath.Join(dir, "check"), "-start", "../../examples/shop/redis.yaml",
		"-mrt", filepath.Join(dir, "mrt-wasm"), "-secrets", filepath.Join(dir, "secrets.json"))
	check.Env = append(os.Environ(), "REDIS_HOST="+server.Addr, "VAULT_ADDR="+vault.URL, "VAULT_TOKEN="+vault.Token)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}

	client := redis.NewClient(&redis.Options{Addr: server.Addr, Password: password})
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"report||totals", "notifier||dead", "order.placed", "order.dead", "greeting"} {
		if !slices.Contains(keys, want) {
			t.Errorf("Redis has no key %s: the shop was not on it; it has %q", want, keys)
		}
	}
}
