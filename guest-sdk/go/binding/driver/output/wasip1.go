//go:build wasip1

package output

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/internal/contract"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/outputdriver"
)

func init() {
	outputdriver.Exports.Init = func(metadata outputdriver.Metadata) *outputdriver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	outputdriver.Exports.Operations = func() []string { return registered.Operations() }
	outputdriver.Exports.Invoke = func(operation string, data []byte, metadata outputdriver.Metadata) (outputdriver.Reply, *outputdriver.Error) {
		reply, err := registered.Invoke(driver.Request{Operation: operation, Data: data, Metadata: pairs.Map(metadata)})
		if err != nil || reply == nil {
			return outputdriver.Reply{}, contract.Error(err)
		}
		out := outputdriver.Reply{ContentType: reply.ContentType, Metadata: pairs.From(reply.Metadata)}
		if reply.Data != nil {
			out.Data = &reply.Data
		}
		return out, nil
	}
}
