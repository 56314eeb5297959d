package contrib

import (
	cryptoazurekeyvault "github.com/dapr/components-contrib/crypto/azure/keyvault"
	cryptojwks "github.com/dapr/components-contrib/crypto/jwks"
	cryptokubernetessecrets "github.com/dapr/components-contrib/crypto/kubernetes/secrets"
	cryptolocalstorage "github.com/dapr/components-contrib/crypto/localstorage"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// cryptoSpecs are Dapr's components of kind crypto.
func cryptoSpecs() []component.Spec[crypto.Provider] {
	return []component.Spec[crypto.Provider]{
		adapt.Crypto("crypto.azure.keyvault", cryptoazurekeyvault.NewAzureKeyvaultCrypto),
		adapt.Crypto("crypto.dapr.jwks", cryptojwks.NewJWKSCrypto),
		adapt.Crypto("crypto.dapr.kubernetes.secrets", cryptokubernetessecrets.NewKubeSecretsCrypto),
		adapt.Crypto("crypto.dapr.localstorage", cryptolocalstorage.NewLocalStorageCrypto),
	}
}
