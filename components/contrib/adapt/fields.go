package adapt

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// fieldsFile has the metadata fields of Dapr's components by type. make generate-contrib writes it from the module's
// metadata.yaml files.
//
//go:embed fields.json
var fieldsFile []byte

var allFields = sync.OnceValue(func() map[string][]component.Field {
	out := map[string][]component.Field{}
	if err := json.Unmarshal(fieldsFile, &out); err != nil {
		panic(fmt.Sprintf("fields.json: %v; make generate-contrib writes it", err)) // a faulty build, which no test lets pass
	}
	return out
})

// Fields gives the metadata fields that Dapr documents for a component, nil if it documents none.
func Fields(typ string) []component.Field { return slices.Clone(allFields()[typ]) }
