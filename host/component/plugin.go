package component

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// PluginFields are the metadata fields of every component that is a wasm module, whatever its block. The rest of its
// metadata goes to the plugin.
type PluginFields struct {
	Source       string        `metadata:"source,required" doc:"the wasm file, or go: and the folder of a Go main package that is built; relative to the manifest file"`
	Imports      string        `metadata:"imports" doc:"names of components that the plugin may use, with commas between"`
	AllowHosts   string        `metadata:"allowHosts" doc:"what the plugin may call by HTTP, as an app's spec.allow.hosts, with commas between; nothing when missing"`
	Memory       string        `metadata:"memory" default:"64Mi" doc:"linear memory of one instance"`
	Timeout      time.Duration `metadata:"timeout" default:"10s" doc:"time for one call of the plugin"`
	MaxInstances int           `metadata:"maxInstances" default:"16" doc:"instances of a plugin that says it is stateless; others have one"`
}

// Plugins runs components that are wasm modules.
type Plugins interface {
	// Open starts a plugin and returns when its init has succeeded. Opening the same component again gives another
	// instance with an init of its own.
	Open(ctx context.Context, cfg PluginConfig) (Plugin, error)
}

// PluginConfig is what a driver says of its plugin.
type PluginConfig struct {
	// Config is what the driver got; its metadata has the PluginFields.
	Config Config
	// Exports are the functions of the block's driver interfaces, for checking those that the plugin has.
	Exports []abi.Func
	// OneOf are interfaces of which the plugin exports at least one.
	OneOf []string
	// Init calls the plugin's init in a new instance. An error that trying again cannot mend is a PermanentError.
	Init func(ctx context.Context, g abi.Guest) error
	// Unavailable is the block's class of errors for what cannot be reached now: the errors of a plugin that trapped,
	// or is not started yet, are in it.
	Unavailable error
}

// Plugin is a running plugin. Its methods are safe for concurrent use.
type Plugin interface {
	// Has tells whether the plugin exports the interface.
	Has(iface string) bool
	// Do runs fn with an instance of the plugin that no other call uses meanwhile. It waits for one while ctx lasts;
	// once fn runs, the plugin's own timeout bounds it, so that a caller who goes away does not cost the plugin its
	// state. It fails with fn's error, or with one of PluginConfig.Unavailable that names the plugin and what ails it.
	Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error
	// Close ends the plugin's instances when their calls have ended.
	Close(ctx context.Context) error
}

// pluginType is the last part of the type names of components that are wasm modules.
const pluginType = ".wasm"

// pluginApps begins the names under which plugins use building blocks. No app's name has a slash.
const pluginApps = "component/"

// PluginApp is the name under which the plugin of a component uses building blocks, as an app does under its own.
func PluginApp(component string) string { return pluginApps + component }

// PluginOf gives the component whose plugin uses building blocks under this name; false for an app.
func PluginOf(app string) (component string, ok bool) { return strings.CutPrefix(app, pluginApps) }

// IsPlugin tells whether the component is a wasm module.
func (d Decl) IsPlugin() bool { return strings.HasSuffix(strings.ToLower(d.Type), pluginType) }

// PluginImports are the names of the components that the component's plugin may use; none if it is no plugin.
func (d Decl) PluginImports() []string {
	if !d.IsPlugin() {
		return nil
	}
	text, _ := d.Metadata.Get("imports")
	return Names(text)
}

// Names splits a list of names with commas between.
func Names(text string) []string {
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// PluginMetadata gives what a plugin's init gets, as pairs in the order of their names: all metadata but that of the
// host itself, and the keys by which the host encrypts what the plugin is not to see in clear.
func PluginMetadata(m Metadata) [][2]string {
	own := []string{"primaryEncryptionKey", "secondaryEncryptionKey"}
	for _, f := range Fields(&PluginFields{}) {
		own = append(own, f.Name)
	}
	var out [][2]string
	for name, value := range m {
		if !slices.ContainsFunc(own, func(o string) bool { return strings.EqualFold(o, name) }) {
			out = append(out, [2]string{name, value})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}
