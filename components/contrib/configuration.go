package contrib

import (
	configurationazureappconfig "github.com/dapr/components-contrib/configuration/azure/appconfig"
	configurationkubernetes "github.com/dapr/components-contrib/configuration/kubernetes"
	configurationpostgres "github.com/dapr/components-contrib/configuration/postgres"
	configurationredis "github.com/dapr/components-contrib/configuration/redis"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// configurationSpecs are Dapr's components of kind configuration.
func configurationSpecs() []component.Spec[configuration.Store] {
	return []component.Spec[configuration.Store]{
		adapt.Configuration("configuration.azure.appconfig", configurationazureappconfig.NewAzureAppConfigurationStore),
		adapt.Configuration("configuration.kubernetes", configurationkubernetes.NewKubernetesConfigMapStore),
		adapt.Configuration("configuration.postgresql", configurationpostgres.NewPostgresConfigurationStore, "configuration.postgres"),
		adapt.Configuration("configuration.redis", configurationredis.NewRedisConfigurationStore),
	}
}
