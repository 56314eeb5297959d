//go:build wasip1

package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/bulkpublisher"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver/internal/contract"
)

func init() {
	bulkpublisher.Exports.BulkPublish = func(topic string, messages []bulkpublisher.Outgoing) ([]*bulkpublisher.Error, *bulkpublisher.Error) {
		msgs := make([]driver.Message, len(messages))
		for i, m := range messages {
			msgs[i] = driver.Message{Topic: topic, ContentType: m.ContentType, Data: m.Data, Metadata: pairs.Map(m.Metadata)}
		}
		errs, err := Registered().BulkPublish(topic, msgs)
		if err != nil {
			return nil, contract.Error(err)
		}
		out := make([]*bulkpublisher.Error, len(errs))
		for i, err := range errs {
			out[i] = contract.Error(err)
		}
		return out, nil
	}
}
