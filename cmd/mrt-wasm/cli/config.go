package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/components/configuration/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

const configHelp = `Reads and writes configuration, which apps read and subscribe to.

It goes through the API of a running host, and so works for every store that can be written to. With --data it
goes straight to the embedded store's file in that folder, which a host need not be running for; one that runs
notices within a second. With neither --api nor --data, and nothing listening at ` + defaultAPI + `, it takes the
folder ` + host.DefaultDataDir + `.`

// defaultStore is the component that hosts have when the manifest declares none.
const defaultStore = "configstore"

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and write configuration",
		Long:  configHelp,
		Example: `  mrt-wasm config set greeting Hello
  mrt-wasm config get greeting
  mrt-wasm config watch`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newConfigSet(), newConfigGet(), newConfigDelete(), newConfigWatch())
	return cmd
}

// configTarget says which store is meant.
type configTarget struct {
	api
	store, data string
}

func (c *configTarget) flags(cmd *cobra.Command) {
	c.api.flags(cmd)
	cmd.Flags().StringVar(&c.store, "store", defaultStore, "name of the configuration component")
	cmd.Flags().StringVar(&c.data, "data", "", "data folder of a host, to use the embedded store's file in it and not the API")
	cmd.MarkFlagsMutuallyExclusive("api", "data")
}

// configStore is what the commands need, of a host or of a file.
type configStore interface {
	configuration.Store
	configuration.Setter
	// String says in messages which store it is.
	String() string
}

// open finds the store; create makes the file if there is none.
func (c *configTarget) open(cmd *cobra.Command, create bool) (configStore, error) {
	if c.store == "" || strings.Contains(c.store, "/") {
		return nil, usagef("--store is %q, expected the name of a configuration component", c.store)
	}
	if c.data != "" {
		return openConfigFile(cmd, c.data, c.store, create)
	}
	if cmd.Flags().Changed("api") || listening() {
		return &configAPI{&c.api, c.store}, nil
	}
	file, err := openConfigFile(cmd, host.DefaultDataDir, c.store, create)
	if _, missing := errors.AsType[*noConfigError](err); missing {
		return nil, fmt.Errorf("nothing listens at %s, and %w; start a host with 'mrt-wasm run MANIFEST', or give --api or --data", defaultAPI, err)
	}
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "mrt-wasm: nothing listens at %s; using %s\n", defaultAPI, file)
	}
	return file, err
}

func listening() bool {
	const soon = 2 * time.Second
	conn, err := net.DialTimeout("tcp", defaultAPI, soon)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func newConfigSet() *cobra.Command {
	var target configTarget
	cmd := &cobra.Command{
		Use:   "set KEY VALUE",
		Short: "Set a value",
		Long:  "Sets a value under a new version. Apps that have subscribed to the key are told.\n\nA VALUE of @FILE is read from the file, @- from standard input.",
		Example: `  mrt-wasm config set greeting Hello
  mrt-wasm config set rules @rules.json --store settings
  mrt-wasm config set greeting Hello --data .mrt`,
		Args: exactly("KEY", "VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkKey(args[0]); err != nil {
				return err
			}
			value, err := readData(cmd, args[1])
			if err != nil {
				return err
			}
			if !utf8.Valid(value) {
				return usagef("VALUE is not UTF-8 text, which configuration is made of")
			}
			store, err := target.open(cmd, true)
			if err != nil {
				return err
			}
			err = store.Set(cmd.Context(), args[0], string(value), nil)
			if err = errors.Join(err, store.Close(cmd.Context())); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "set %s in %s\n", args[0], store)
			return err
		},
	}
	target.flags(cmd)
	return cmd
}

func checkKey(key string) error {
	if key == "" || !utf8.ValidString(key) {
		return usagef("KEY is %q, expected text that is not empty", key)
	}
	return nil
}

func newConfigDelete() *cobra.Command {
	var target configTarget
	cmd := &cobra.Command{
		Use:     "delete KEY...",
		Aliases: []string{"rm"},
		Short:   "Delete values",
		Example: "  mrt-wasm config delete greeting",
		Args:    atLeastOne("KEY..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, key := range args {
				if err := checkKey(key); err != nil {
					return err
				}
			}
			store, err := target.open(cmd, false)
			if err != nil {
				return err
			}
			err = store.Delete(cmd.Context(), args, nil)
			if err = errors.Join(err, store.Close(cmd.Context())); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "deleted %s in %s\n", strings.Join(args, ", "), store)
			return err
		},
	}
	target.flags(cmd)
	return cmd
}

func newConfigGet() *cobra.Command {
	var (
		target configTarget
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "get [KEY...]",
		Short: "Print values",
		Long: `Prints the value of one KEY as it is, or lines KEY=VALUE of several; without a KEY, of all. A KEY that does not
exist ends with exit code 1.`,
		Example: `  mrt-wasm config get greeting
  mrt-wasm config get --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, key := range args {
				if err := checkKey(key); err != nil {
					return err
				}
			}
			store, err := target.open(cmd, false)
			if err != nil {
				return err
			}
			items, err := store.Get(cmd.Context(), args, nil)
			if err = errors.Join(err, store.Close(cmd.Context())); err != nil {
				return err
			}
			if err := printItems(cmd, items, len(args) == 1, asJSON); err != nil {
				return err
			}
			return missingKeys(args, items, store)
		},
	}
	target.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object of {value, version, metadata} by key")
	return cmd
}

func printItems(cmd *cobra.Command, items []configuration.Item, bare, asJSON bool) error {
	sortItems(items)
	out := cmd.OutOrStdout()
	if asJSON {
		all := map[string]configItem{}
		for _, item := range items {
			all[item.Key] = configItem{item.Value, item.Version, item.Metadata}
		}
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for _, item := range items {
		line := item.Value
		if !bare {
			line = item.Key + "=" + item.Value
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func sortItems(items []configuration.Item) {
	slices.SortFunc(items, func(a, b configuration.Item) int { return strings.Compare(a.Key, b.Key) })
}

func missingKeys(keys []string, items []configuration.Item, store configStore) error {
	var missing []string
	for _, key := range keys {
		if !slices.ContainsFunc(items, func(item configuration.Item) bool { return item.Key == key }) {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s has no %s", store, strings.Join(missing, ", "))
}

// noConfigError says that there is no file of an embedded store.
type noConfigError struct{ file string }

// Error names the file.
func (e *noConfigError) Error() string { return "there is no " + e.file }

// configFile is the embedded store's file.
type configFile struct {
	*sqlite.Store
	path string
}

// String gives the path.
func (f *configFile) String() string { return f.path }

func openConfigFile(cmd *cobra.Command, dir, name string, create bool) (configStore, error) {
	path := filepath.Join(dir, sqlite.FileName(name))
	if _, err := os.Stat(path); err != nil && !create {
		return nil, &noConfigError{path}
	}
	store, err := sqlite.Open(cmd.Context(), dir, name)
	if err != nil {
		return nil, err
	}
	return &configFile{store, path}, nil
}
