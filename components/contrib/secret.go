package contrib

import (
	secretstoresalicloudparameterstore "github.com/dapr/components-contrib/secretstores/alicloud/parameterstore"
	secretstoresawsparameterstore "github.com/dapr/components-contrib/secretstores/aws/parameterstore"
	secretstoresawssecretmanager "github.com/dapr/components-contrib/secretstores/aws/secretmanager"
	secretstoresazurekeyvault "github.com/dapr/components-contrib/secretstores/azure/keyvault"
	secretstoresgcpsecretmanager "github.com/dapr/components-contrib/secretstores/gcp/secretmanager"
	secretstoreshashicorpvault "github.com/dapr/components-contrib/secretstores/hashicorp/vault"
	secretstoreshuaweicloudcsms "github.com/dapr/components-contrib/secretstores/huaweicloud/csms"
	secretstoreskubernetes "github.com/dapr/components-contrib/secretstores/kubernetes"
	secretstoreslocalenv "github.com/dapr/components-contrib/secretstores/local/env"
	secretstoreslocalfile "github.com/dapr/components-contrib/secretstores/local/file"
	secretstorestencentcloudssm "github.com/dapr/components-contrib/secretstores/tencentcloud/ssm"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// secretSpecs are Dapr's components of kind secretstores.
func secretSpecs() []component.Spec[secret.Store] {
	return []component.Spec[secret.Store]{
		adapt.Secret("secretstores.alicloud.parameterstore", secretstoresalicloudparameterstore.NewParameterStore),
		adapt.Secret("secretstores.aws.parameterstore", secretstoresawsparameterstore.NewParameterStore),
		adapt.Secret("secretstores.aws.secretmanager", secretstoresawssecretmanager.NewSecretManager, "secretstores.aws.secretsmanager"),
		adapt.Secret("secretstores.azure.keyvault", secretstoresazurekeyvault.NewAzureKeyvaultSecretStore),
		adapt.Secret("secretstores.gcp.secretmanager", secretstoresgcpsecretmanager.NewSecreteManager),
		adapt.Secret("secretstores.hashicorp.vault", secretstoreshashicorpvault.NewHashiCorpVaultSecretStore),
		adapt.Secret("secretstores.huaweicloud.csms", secretstoreshuaweicloudcsms.NewHuaweiCsmsSecretStore),
		adapt.Secret("secretstores.kubernetes", secretstoreskubernetes.NewKubernetesSecretStore),
		adapt.Secret("secretstores.local.env", secretstoreslocalenv.NewEnvSecretStore),
		adapt.Secret("secretstores.local.file", secretstoreslocalfile.NewLocalSecretStore),
		adapt.Secret("secretstores.tencentcloud.ssm", secretstorestencentcloudssm.NewSSM),
	}
}
