// Package watch adds knowing of changes to a configuration store: see package driver. Each watch has an instance of the
// module to itself, whose Init is called too. Importing it makes the module export mrt:configuration/subscriber.
package watch

import "time"

// Watcher is a store that knows of changes by itself.
type Watcher interface {
	// Watch starts to watch keys, or all when there are none: no later change is missed. The host has it made again when
	// the instance was lost.
	Watch(keys []string, metadata map[string]string) (Watch, error)
}

// Watch is one watch.
type Watch interface {
	// Pull gives the keys that may have changed since the last call, waiting at most wait for the first; none when there
	// are none by then. The host reads the values.
	Pull(wait time.Duration) ([]string, error)
	// Close ends the watch.
	Close() error
}

var registered Watcher

// Register makes w watch for the module. Call it in an init function.
func Register(w Watcher) { registered = w }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Watcher { return registered }
