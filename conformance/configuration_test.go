package conformance

import (
	"context"
	"path/filepath"
	"testing"

	contrib "github.com/dapr/components-contrib/configuration"
	suite "github.com/dapr/components-contrib/tests/conformance/configuration"
	"github.com/dapr/components-contrib/tests/utils/configupdater"
	"github.com/dapr/components-contrib/tests/utils/configupdater/postgres"
	"github.com/dapr/kit/logger"
	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// redisUpdater writes as somebody else would: value||version, by a client of its own.
type redisUpdater struct{ client *redis.Client }

func (u *redisUpdater) Init(properties map[string]string) error {
	u.client = redis.NewClient(&redis.Options{Addr: properties["redisHost"]})
	return u.client.Ping(context.Background()).Err()
}

func (u *redisUpdater) AddKey(items map[string]*contrib.Item) error {
	for key, item := range items {
		if err := u.client.Set(context.Background(), key, item.Value+"||"+item.Version, 0).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (u *redisUpdater) UpdateKey(items map[string]*contrib.Item) error { return u.AddKey(items) }

func (u *redisUpdater) DeleteKey(keys []string) error {
	return u.client.Del(context.Background(), keys...).Err()
}

// driverUpdater writes by a second opening of the driver itself, as mrt-wasm config set does from another process.
type driverUpdater struct {
	opener opener
	store  configuration.Store
}

func (u *driverUpdater) Init(properties map[string]string) (err error) {
	u.store, err = start(context.Background(), u.opener, u.opener.drivers.Configuration, properties)
	return err
}

func (u *driverUpdater) AddKey(items map[string]*contrib.Item) error {
	for key, item := range items {
		if err := u.store.(configuration.Setter).Set(context.Background(), key, item.Value, nil); err != nil {
			return err
		}
	}
	return nil
}

func (u *driverUpdater) UpdateKey(items map[string]*contrib.Item) error { return u.AddKey(items) }

func (u *driverUpdater) DeleteKey(keys []string) error {
	return u.store.(configuration.Setter).Delete(context.Background(), keys, nil)
}

// postgresUpdater is Dapr's, which makes the table, and has its trigger made.
type postgresUpdater struct{ *postgres.ConfigUpdater }

func (u postgresUpdater) Init(properties map[string]string) error {
	if err := u.ConfigUpdater.Init(properties); err != nil {
		return err
	}
	return u.CreateTrigger("config")
}

// pluginUpdater writes what the plugin overstate reads, by the store that it has.
type pluginUpdater struct{ store state.Store }

func (pluginUpdater) Init(map[string]string) error { return nil }

func (u pluginUpdater) AddKey(items map[string]*contrib.Item) error {
	for key, item := range items {
		if err := u.store.Set(context.Background(), state.SetRequest{Key: "c/" + key, Value: []byte(item.Value)}); err != nil {
			return err
		}
	}
	return u.changed()
}

func (u pluginUpdater) UpdateKey(items map[string]*contrib.Item) error { return u.AddKey(items) }

func (u pluginUpdater) DeleteKey(keys []string) error {
	for _, key := range keys {
		if err := u.store.Delete(context.Background(), state.DeleteRequest{Key: "c/" + key}); err != nil {
			return err
		}
	}
	return u.changed()
}

// changed tells the plugin.
func (u pluginUpdater) changed() error {
	return u.store.Set(context.Background(), state.SetRequest{Key: "changes"})
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ           string
		ignoreVersion bool
		updater       func(o opener) configupdater.Updater
		properties    func(t *testing.T) map[string]string
	}{
		{
			typ:     "configuration.redis",
			updater: func(opener) configupdater.Updater { return &redisUpdater{} },
			properties: func(t *testing.T) map[string]string {
				return map[string]string{"redisHost": testserver.Redis(t).Addr, "redisPassword": ""}
			},
		},
		{
			typ: "configuration.sqlite", ignoreVersion: true,
			updater: func(o opener) configupdater.Updater { return &driverUpdater{opener: o} },
			properties: func(t *testing.T) map[string]string {
				return map[string]string{"connectionString": filepath.Join(t.TempDir(), "config.db")}
			},
		},
		{
			typ: "configuration.postgresql",
			updater: func(opener) configupdater.Updater {
				return postgresUpdater{postgres.NewPostgresConfigUpdater(logger.NewLogger("conformance")).(*postgres.ConfigUpdater)}
			},
			properties: func(t *testing.T) map[string]string {
				return map[string]string{
					"connectionString": testserver.Postgres(t).DSN(), "table": "configtable", "notifyChannel": "config",
				}
			},
		},
		{typ: "configuration.wasm", ignoreVersion: true},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			var o opener
			var properties map[string]string
			var updater configupdater.Updater
			if tt.updater == nil {
				plugin, host := plugin(t, tt.typ, "../components/configuration/wasm/testdata/overstate")
				o, updater = plugin, pluginUpdater{plugintest.Of[state.Store](t, host, "inner")}
			} else {
				o, properties = testOpener(t, tt.typ), tt.properties(t)
				updater = tt.updater(o)
			}
			t.Parallel()
			store := &configStore{opener: o}
			cfg := suite.NewTestConfig(tt.typ, nil, nil)
			cfg.IgnoreVersion = tt.ignoreVersion
			suite.ConformanceTests(t, properties, store, updater, cfg, tt.typ)
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
