package conformance

import (
	"context"
	"path/filepath"
	"testing"

	contrib "github.com/dapr/components-contrib/configuration"
	suite "github.com/dapr/components-contrib/tests/conformance/configuration"
	"github.com/dapr/components-contrib/tests/utils/configupdater"
	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
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
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			t.Parallel()
			o := testOpener(t, tt.typ)
			store := &configStore{opener: o}
			cfg := suite.NewTestConfig(tt.typ, nil, nil)
			cfg.IgnoreVersion = tt.ignoreVersion
			suite.ConformanceTests(t, tt.properties(t), store, tt.updater(o), cfg, tt.typ)
			if err := store.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
