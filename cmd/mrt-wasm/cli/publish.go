package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const publishHelp = `Publishes one message to a topic through a running host. The host wraps it in a CloudEvent unless the
content type says that it is one, or the metadata rawPayload=true is given.`

func newPublish() *cobra.Command {
	var (
		target      api
		contentKind string
		metadata    []string
	)
	cmd := &cobra.Command{
		Use:   "publish PUBSUB TOPIC DATA",
		Short: "Publish a message to a topic of a running host",
		Long:  publishHelp,
		Example: `  mrt-wasm publish pubsub order.placed '{"id":"7","qty":2}'
  mrt-wasm publish pubsub order.placed @order.json --metadata ttlInSeconds=60
  date | mrt-wasm publish pubsub ticks @- --content-type text/plain`,
		Args: exactly("PUBSUB", "TOPIC", "DATA"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query, err := metadataQuery(metadata)
			if err != nil {
				return err
			}
			if args[0] == "" || strings.Contains(args[0], "/") {
				return usagef("PUBSUB is %q, expected the name of a pubsub component", args[0])
			}
			if args[1] == "" {
				return usagef("TOPIC is empty, expected the name of a topic")
			}
			data, err := readData(cmd, args[2])
			if err != nil {
				return err
			}
			if contentKind == "" {
				contentKind = contentType(data)
			}
			path := "/v1.0/publish/" + url.PathEscape(args[0]) + "/" + (&url.URL{Path: args[1]}).EscapedPath()
			header := http.Header{"Content-Type": {contentKind}}
			ans, err := target.call(cmd.Context(), http.MethodPost, path+query, header, data)
			if err != nil {
				return err
			}
			if ans.status >= http.StatusBadRequest {
				if err := ans.problem(); err != nil {
					return err
				}
				return fmt.Errorf("the host answered %d %s: %s", ans.status, http.StatusText(ans.status), ans.body)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "published to %s/%s\n", args[0], args[1])
			return err
		},
	}
	target.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&contentKind, "content-type", "", "type of the data (default: application/json if it is JSON, else text/plain)")
	f.StringArrayVar(&metadata, "metadata", nil, "`NAME=VALUE` of the message's metadata; may be repeated")
	return cmd
}

// metadataQuery gives metadata as the API takes it, with a leading question mark; empty if there is none.
func metadataQuery(list []string) (string, error) {
	values := url.Values{}
	for _, m := range list {
		name, value, ok := strings.Cut(m, "=")
		if !ok || name == "" {
			return "", usagef("--metadata %q is not metadata; expected NAME=VALUE", m)
		}
		values.Set("metadata."+name, value)
	}
	if len(values) == 0 {
		return "", nil
	}
	return "?" + values.Encode(), nil
}
