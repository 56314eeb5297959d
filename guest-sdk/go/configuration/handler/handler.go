// Package handler handles changes of the configuration that the app has subscribed to, by configuration.Subscribe or in
// its manifest (spec.configuration).
//
//	func init() {
//		handler.Handle(func(c *handler.Change) error {
//			for _, item := range c.Items {
//				log.Print(item.Key, " is now ", item.Value)
//			}
//			return nil
//		})
//	}
//
// Importing this package makes the app one that handles changes: it exports mrt:configuration/handler. Handlers are
// registered in init functions; main does not run.
package handler

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/configitem"
)

// Item is one value as it is now, or, with Deleted, a key that is gone.
type Item = configitem.Item

// Change is what has changed of one subscription.
type Change struct {
	// Store is the component's name, ID the subscription's id.
	Store, ID string
	// Items are in the order of their keys, each key once.
	Items []Item
}

// Get gives the change of a key, and whether it is in this change.
func (c *Change) Get(key string) (Item, bool) {
	for _, item := range c.Items {
		if item.Key == key {
			return item, true
		}
	}
	return Item{}, false
}

// Handler handles one change: after an error it comes again, with newer values if there are some by then. A change may
// come more than once.
type Handler func(*Change) error

var handlers []Handler

// Handle makes h handle all changes. With several handlers all get a change, in the order in which they were
// registered; it comes again to all if one fails.
func Handle(h Handler) { handlers = append(handlers, h) }

var errNone = errors.New("the app has no handler for configuration changes: call handler.Handle in an init function")

// Do passes a change to the app's handlers: what the host does, and tests of the app.
func Do(c *Change) error {
	if len(handlers) == 0 {
		return errNone
	}
	var errs []error
	for _, h := range handlers {
		errs = append(errs, h(c))
	}
	return errors.Join(errs...)
}
