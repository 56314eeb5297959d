package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newActor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "actor",
		Short: "Call and look at the actors of a running host",
		RunE:  group,
	}
	cmd.AddCommand(newActorInvoke(), newActorState(), newActorList(), newActorReminders())
	return cmd
}

func newActorInvoke() *cobra.Command {
	var (
		target     api
		data, kind string
	)
	cmd := &cobra.Command{
		Use:   "invoke TYPE ID METHOD",
		Short: "Call a method of an actor",
		Long:  "Calls a method of an actor, which is made if it is not there, and prints what it gives.",
		Example: `  mrt-wasm actor invoke Account alice balance
  mrt-wasm actor invoke Account alice deposit -d 100`,
		Args: exactly("TYPE", "ID", "METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := readData(cmd, data)
			if err != nil {
				return err
			}
			header := http.Header{}
			if kind == "" && len(body) > 0 {
				kind = contentType(body)
			}
			if kind != "" {
				header.Set("Content-Type", kind)
			}
			ans, err := target.call(cmd.Context(), http.MethodPost, actorPath(args[0], args[1])+"/method/"+url.PathEscape(args[2]), header, body)
			if err != nil {
				return err
			}
			return printAnswer(cmd, args[0]+"/"+args[1], ans, false)
		},
	}
	target.flags(cmd)
	cmd.Flags().StringVarP(&data, "data", "d", "", "input of the method; @FILE reads it from a file, @- from standard input")
	cmd.Flags().StringVar(&kind, "content-type", "", "type of the data (default: application/json if it is JSON, else text/plain)")
	return cmd
}

func newActorState() *cobra.Command {
	var (
		target api
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "state TYPE ID [KEY]",
		Short: "Show the stored state of an actor, active or not",
		Long:  "Prints the value of a key, or all keys with their values. What a running turn has written is not stored yet.",
		Example: `  mrt-wasm actor state Account alice
  mrt-wasm actor state Account alice balance`,
		Args: between(2, 3, "TYPE ID [KEY]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var page struct {
				State []struct {
					Key     string          `json:"key"`
					Value   json.RawMessage `json:"value"`
					Expires *time.Time      `json:"expires"`
				} `json:"state"`
				Next string `json:"next"`
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			path := "/v1.0-alpha1/actors/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1]) + "/state"
			if len(args) == 3 {
				query.Set("key", args[2])
			}
			if err := target.get(cmd, path+"?"+query.Encode(), &page); err != nil {
				return err
			}
			entries := page.State
			if len(args) == 3 {
				if len(entries) == 0 {
					return fmt.Errorf("actor %s/%s has no state %q", args[0], args[1], args[2])
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", entries[0].Value)
				return err
			}
			err := table(cmd, "KEY\tEXPIRES\tVALUE", func(row func(...any)) {
				for _, e := range entries {
					expires := "never"
					if e.Expires != nil {
						expires = e.Expires.Local().Format(time.RFC3339)
					}
					row(e.Key, expires, string(e.Value))
				}
			})
			return more(cmd, err, page.Next)
		},
	}
	target.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list at most")
	return cmd
}

// more says that a list goes on.
func more(cmd *cobra.Command, err error, next string) error {
	if err == nil && next != "" {
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), "there are more: narrow it down, or give a larger --limit")
	}
	return err
}

// listed is an actor as the API lists it.
type listed struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	Status  string    `json:"status"`
	Turns   uint64    `json:"turns"`
	Fuel    uint64    `json:"fuel"`
	Waiting int       `json:"waiting"`
	Used    time.Time `json:"lastUsed"`
}

func newActorList() *cobra.Command {
	var (
		target api
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "list [TYPE]",
		Short: "List actors: those in memory, and those that sleep in the store",
		Example: `  mrt-wasm actor list
  mrt-wasm actor list Account --limit 1000`,
		Args: between(0, 1, "[TYPE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if len(args) > 0 {
				query.Set("type", args[0])
			}
			var page struct {
				Actors []listed `json:"actors"`
				Next   string   `json:"next"`
			}
			if err := target.get(cmd, "/v1.0-alpha1/actors?"+query.Encode(), &page); err != nil {
				return err
			}
			err := table(cmd, "TYPE\tID\tSTATUS\tTURNS\tWAITING\tFUEL\tLAST USED", func(row func(...any)) {
				for _, a := range page.Actors {
					if a.Status != "active" {
						row(a.Type, a.ID, a.Status, "", "", "", "")
						continue
					}
					row(a.Type, a.ID, a.Status, a.Turns, a.Waiting, a.Fuel, time.Since(a.Used).Round(time.Second).String()+" ago")
				}
			})
			return more(cmd, err, page.Next)
		},
	}
	target.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list at most")
	return cmd
}

func newActorReminders() *cobra.Command {
	var (
		target api
		limit  int
	)
	cmd := &cobra.Command{
		Use:   "reminders TYPE [ID]",
		Short: "List the reminders of an actor, or of all actors of a type",
		Example: `  mrt-wasm actor reminders Transfer
  mrt-wasm actor reminders Transfer 42`,
		Args: between(1, 2, "TYPE [ID]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if len(args) > 1 {
				query.Set("id", args[1])
			}
			var page struct {
				Reminders []struct {
					ID     string    `json:"id"`
					Name   string    `json:"name"`
					Due    time.Time `json:"due"`
					Period string    `json:"period"`
					TTL    string    `json:"ttl"`
				} `json:"reminders"`
				Next string `json:"next"`
			}
			if err := target.get(cmd, "/v1.0-alpha1/actors/"+url.PathEscape(args[0])+"/reminders?"+query.Encode(), &page); err != nil {
				return err
			}
			err := table(cmd, "ID\tREMINDER\tNEXT DUE\tPERIOD\tTTL", func(row func(...any)) {
				for _, r := range page.Reminders {
					row(r.ID, r.Name, r.Due.Local().Format(time.RFC3339), r.Period, r.TTL)
				}
			})
			return more(cmd, err, page.Next)
		},
	}
	target.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list at most")
	return cmd
}

func actorPath(typ, id string) string {
	return "/v1.0/actors/" + url.PathEscape(typ) + "/" + url.PathEscape(id)
}

// get reads a JSON answer of the API.
func (a *api) get(cmd *cobra.Command, path string, into any) error {
	ans, err := a.call(cmd.Context(), http.MethodGet, path, http.Header{}, nil)
	if err != nil {
		return err
	}
	if ans.status != http.StatusOK {
		if err := ans.problem(); err != nil {
			return err
		}
		return fmt.Errorf("the host answered %d %s: %s", ans.status, http.StatusText(ans.status), ans.body)
	}
	if err := json.Unmarshal(ans.body, into); err != nil {
		return fmt.Errorf("the host's answer is not what this command reads: %w; are host and command of one version?", err)
	}
	return nil
}

// table prints rows below a heading; columns are separated by tabs in it.
func table(cmd *cobra.Command, heading string, rows func(row func(cells ...any))) error {
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, heading)
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				_, _ = io.WriteString(out, "\t")
			}
			fmt.Fprint(out, c)
		}
		fmt.Fprintln(out)
	})
	return out.Flush()
}
