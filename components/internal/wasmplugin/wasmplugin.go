// Package wasmplugin is what the drivers of components that are wasm modules share: opening the plugin, and the forms
// that all blocks' contracts have in common.
package wasmplugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Pairs is the contract's form of metadata.
type Pairs = []canon.Tuple2[string, string]

// Settings are the metadata fields of the driver; there are more, which go to the plugin.
type Settings struct{ component.PluginFields }

// Runner gives what runs plugins.
func Runner(cfg component.Config) (component.Plugins, error) {
	if cfg.Plugins == nil {
		return nil, component.Permanent(errors.New("this host runs no plugins"))
	}
	return cfg.Plugins, nil
}

// Init gives what a plugin's init gets of a component's metadata.
func Init(cfg component.Config) Pairs {
	var out Pairs
	for _, kv := range component.PluginMetadata(cfg.Metadata) {
		out = append(out, canon.Tuple2[string, string]{F0: kv[0], F1: kv[1]})
	}
	return out
}

// With gives metadata with one field more.
func With(metadata Pairs, name, value string) Pairs {
	return append(metadata, canon.Tuple2[string, string]{F0: name, F1: value})
}

// From gives a map's pairs in the order of the keys; nil for an empty map.
func From(m map[string]string) Pairs {
	if len(m) == 0 {
		return nil
	}
	out := make(Pairs, 0, len(m))
	for k, v := range m {
		out = append(out, canon.Tuple2[string, string]{F0: k, F1: v})
	}
	slices.SortFunc(out, func(a, b canon.Tuple2[string, string]) int { return strings.Compare(a.F0, b.F0) })
	return out
}

// Map gives the pairs as a map; nil for none. The last of equal keys wins.
func Map(list Pairs) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for _, kv := range list {
		out[kv.F0] = kv.F1
	}
	return out
}

// As gives what a plugin said as an error of a block's class. A plugin that names the class itself does not make it
// stand there twice.
func As(class error, text string) error {
	text = strings.TrimPrefix(text, class.Error())
	text = strings.TrimPrefix(text, ": ")
	if text == "" {
		return class
	}
	return fmt.Errorf("%w: %s", class, text)
}

// Started gives a failure of a plugin's init. Only what is unavailable, and a trap, are worth another try.
func Started(err, unavailable error) error {
	if _, trapped := errors.AsType[*abi.Trap](err); err == nil || trapped || errors.Is(err, unavailable) {
		return err
	}
	return component.Permanent(err)
}

// Lied says that a plugin does not do what its contract says.
func Lied(format string, args ...any) error {
	return fmt.Errorf("the plugin does not keep to its contract: "+format, args...)
}
