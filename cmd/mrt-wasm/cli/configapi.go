package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// configItem is an item in the API's JSON.
type configItem struct {
	Value    string            `json:"value"`
	Version  string            `json:"version"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// configAPI is a configuration store of a running host.
type configAPI struct {
	api   *api
	store string
}

// String names the component and the host.
func (c *configAPI) String() string { return c.store + " of the host at " + c.api.address }

// Get reads items; no keys means all.
func (c *configAPI) Get(ctx context.Context, keys []string, _ map[string]string) ([]configuration.Item, error) {
	body, err := c.call(ctx, http.MethodGet, "v1.0", keyQuery(keys), nil)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	var all map[string]configItem
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("the answer of %s is not an object of items: %w", c, err)
	}
	var out []configuration.Item
	for key, item := range all {
		out = append(out, configuration.Item{Key: key, Value: item.Value, Version: item.Version, Metadata: item.Metadata})
	}
	return out, nil
}

// Set writes one item.
func (c *configAPI) Set(ctx context.Context, key, value string, _ map[string]string) error {
	body, err := json.Marshal([]map[string]string{{"key": key, "value": value}})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, http.MethodPut, "v1.0-alpha1", "", body)
	return err
}

// Delete deletes keys.
func (c *configAPI) Delete(ctx context.Context, keys []string, _ map[string]string) error {
	_, err := c.call(ctx, http.MethodDelete, "v1.0-alpha1", keyQuery(keys), nil)
	return err
}

// Close has nothing to do.
func (c *configAPI) Close(context.Context) error { return nil }

func keyQuery(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "?" + url.Values{"key": keys}.Encode()
}

func (c *configAPI) call(ctx context.Context, verb, version, query string, body []byte) ([]byte, error) {
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	ans, err := c.api.call(ctx, verb, "/"+version+"/configuration/"+url.PathEscape(c.store)+query, header, body)
	if err != nil {
		return nil, err
	}
	if ans.status < http.StatusBadRequest {
		return ans.body, nil
	}
	if err := ans.problem(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("the host answered %d %s: %s", ans.status, http.StatusText(ans.status), ans.body)
}

const configWatchHelp = `Prints lines KEY=VALUE: first the values as they are, then each as it changes, and 'KEY is deleted'. It goes on
until it is interrupted, also while the host is away for a while.`

func newConfigWatch() *cobra.Command {
	var (
		target   configTarget
		interval time.Duration
	)
	cmd := &cobra.Command{
		Use:     "watch [KEY...]",
		Short:   "Print values as they change",
		Long:    configWatchHelp,
		Example: "  mrt-wasm config watch\n  mrt-wasm config watch greeting signature",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, key := range args {
				if err := checkKey(key); err != nil {
					return err
				}
			}
			const fastest = 10 * time.Millisecond
			if interval < fastest {
				return usagef("--interval is %s, expected %s or more", interval, fastest)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			cmd.SetContext(ctx)
			store, err := target.open(cmd, false)
			if err != nil {
				return err
			}
			defer store.Close(context.WithoutCancel(ctx))
			return watchConfig(cmd, store, args, interval)
		},
	}
	target.flags(cmd)
	cmd.Flags().DurationVar(&interval, "interval", 250*time.Millisecond, "how often to look")
	return cmd
}

// watchConfig looks at an interval: so it needs no app to bring changes to, and goes on when the host is started anew.
func watchConfig(cmd *cobra.Command, store configStore, keys []string, interval time.Duration) error {
	items, err := store.Get(cmd.Context(), keys, nil)
	if err != nil {
		return err
	}
	known, away := map[string]configuration.Item{}, false
	for {
		if err == nil {
			if printed := printChanges(cmd.OutOrStdout(), known, items); printed != nil {
				return printed
			}
		} else if !away {
			fmt.Fprintln(cmd.ErrOrStderr(), "mrt-wasm:", err)
		}
		away = err != nil
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(interval):
		}
		items, err = store.Get(cmd.Context(), keys, nil)
		if cmd.Context().Err() != nil {
			return nil
		}
	}
}

// printChanges prints the difference to what is known, and makes that what is known.
func printChanges(out io.Writer, known map[string]configuration.Item, items []configuration.Item) error {
	sortItems(items)
	now := map[string]bool{}
	for _, item := range items {
		now[item.Key] = true
		was, had := known[item.Key]
		if had && was.Value == item.Value && was.Version == item.Version {
			continue
		}
		known[item.Key] = item
		if _, err := fmt.Fprintf(out, "%s=%s\n", item.Key, item.Value); err != nil {
			return err
		}
	}
	for key := range known {
		if now[key] {
			continue
		}
		delete(known, key)
		if _, err := fmt.Fprintf(out, "%s is deleted\n", key); err != nil {
			return err
		}
	}
	return nil
}
