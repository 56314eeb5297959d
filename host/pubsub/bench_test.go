package pubsub_test

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// BenchmarkPublishToDelivery is one message of 1 KiB of JSON from an app's publish to its handler, over the in-memory
// broker and the generated glue, without wasm.
func BenchmarkPublishToDelivery(b *testing.B) {
	data := make([]byte, 1024)
	for i := range data {
		data[i] = 'x'
	}
	data[0], data[len(data)-1] = '"', '"'
	for name, rules := range map[string][]pubsub.RuleDecl{"Plain": nil, "Routed": {{Match: "event.type == 'vip'", Path: "/vip"}}} {
		b.Run(name, func(b *testing.B) {
			cfg := config(nil, pubsub.SubscriptionDecl{Topic: "t", Rules: rules, Default: "/t"})
			app := newApp("shop", nil)
			cfg.Apps = []string{"shop"}
			block, err := pubsub.New(b.Context(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := block.Open(b.Context(), app); err != nil {
				b.Fatal(err)
			}
			triggers, err := block.Triggers(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, t := range triggers {
				if err := t.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				err := block.Publish(b.Context(), "shop", pubsub.Request{PubSub: "bus", Topic: "t", ContentType: "application/json", Data: data})
				if err != nil {
					b.Fatal(err)
				}
				<-app.got
			}
		})
	}
}
