package conformance

import (
	"testing"

	suite "github.com/dapr/components-contrib/tests/conformance/lock"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestLock(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, typ  string
		properties func(t *testing.T) map[string]string
	}{
		{"", "lock.in-memory", fixed(nil)},
		{"", "lock.redis", func(t *testing.T) map[string]string {
			return map[string]string{"redisHost": testserver.Redis(t).Addr, "redisPassword": ""}
		}},
		{" cluster", "lock.redis", func(t *testing.T) map[string]string {
			return map[string]string{"redisHost": testserver.RedisCluster(t).Addrs(), "redisType": "cluster"}
		}},
		{"", "lock.sqlite", fixed(nil)},
		{"", "lock.wasm", nil},
	}
	for _, tt := range tests {
		t.Run(tt.typ+tt.name, func(t *testing.T) {
			var o opener
			var properties map[string]string
			if tt.properties == nil {
				o, _ = plugin(t, tt.typ, "../components/lock/wasm/testdata/overstate")
			} else {
				o, properties = testOpener(t, tt.typ), tt.properties(t)
			}
			t.Parallel()
			store := &lockStore{opener: o}
			cfg, err := suite.NewTestConfig(tt.typ, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			suite.ConformanceTests(t, properties, store, cfg)
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
