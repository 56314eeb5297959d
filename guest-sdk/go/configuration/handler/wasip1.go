//go:build wasip1

package handler

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/handler"
)

func init() {
	handler.Exports.Handle = func(store, id string, items []handler.Item) *string {
		c := &Change{Store: store, ID: id, Items: make([]Item, len(items))}
		for i, item := range items {
			c.Items[i] = Item{
				Key: item.Key, Value: item.Value, Version: item.Version, Metadata: pairs.Map(item.Metadata), Deleted: item.Deleted,
			}
		}
		if err := Do(c); err != nil {
			text := err.Error()
			return &text
		}
		return nil
	}
}
