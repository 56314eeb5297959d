// A secret store whose secrets stand in metadata "secrets": JSON by name and key, in base64.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret/driver/bulk"
)

type store struct{ secrets map[string]map[string]string }

func init() {
	s := &store{}
	plugin.Stateless()
	driver.Register(s)
	bulk.Register(s)
}

func main() {}

func (s *store) Init(metadata map[string]string) error {
	text, err := base64.StdEncoding.DecodeString(metadata["secrets"])
	if err != nil {
		return fmt.Errorf("%w: metadata field secrets: want base64", secret.ErrInvalidRequest)
	}
	return json.Unmarshal(text, &s.secrets)
}

func (s *store) Get(name string, metadata map[string]string) (map[string]string, error) {
	if name == "" {
		return nil, fmt.Errorf("%w: the name is empty", secret.ErrInvalidRequest)
	}
	values := s.secrets[name]
	if values == nil {
		return nil, secret.ErrNotFound
	}
	return maps.Clone(values), nil
}

func (s *store) BulkGet(map[string]string) (map[string]map[string]string, error) {
	return s.secrets, nil
}
