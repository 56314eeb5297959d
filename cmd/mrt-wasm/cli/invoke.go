package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const invokeHelp = `Calls a method of an app that a running host serves, and prints the body of its answer.

METHOD is a path of the app and may have a query. An answer with a status of 400 and above ends with exit
code 1; its body is printed all the same.`

func newInvoke() *cobra.Command {
	var (
		target     api
		data, verb string
		headers    []string
		include    bool
	)
	cmd := &cobra.Command{
		Use:   "invoke APP METHOD",
		Short: "Call a method of a running app",
		Long:  invokeHelp,
		Example: `  mrt-wasm invoke inventory reserve -d '{"item":"book","qty":2}'
  mrt-wasm invoke orders 'orders?item=book' --verb GET
  mrt-wasm invoke orders import -d @orders.json --header 'X-Request-Id: 7'`,
		Args: exactly("APP", "METHOD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			header, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			if args[0] == "" || strings.Contains(args[0], "/") {
				return usagef("APP is %q, expected the name of an app", args[0])
			}
			body, err := readData(cmd, data)
			if err != nil {
				return err
			}
			if header.Get("Content-Type") == "" && len(body) > 0 {
				header.Set("Content-Type", contentType(body))
			}
			path := "/v1.0/invoke/" + url.PathEscape(args[0]) + "/method/" + escapeMethod(args[1])
			ans, err := target.call(cmd.Context(), strings.ToUpper(verb), path, header, body)
			if err != nil {
				return err
			}
			return printAnswer(cmd, args[0], ans, include)
		},
	}
	target.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&data, "data", "d", "", "body of the request; @FILE reads it from a file, @- from standard input")
	f.StringVar(&verb, "verb", http.MethodPost, "HTTP verb")
	f.StringArrayVarP(&headers, "header", "H", nil, "header `'NAME: VALUE'`; may be repeated")
	f.BoolVarP(&include, "include", "i", false, "print status and headers before the body")
	return cmd
}

// printAnswer prints what the app said; a problem of the host, for example an unknown app, is an error instead.
func printAnswer(cmd *cobra.Command, app string, ans *answer, include bool) error {
	out := cmd.OutOrStdout()
	if ans.status >= http.StatusBadRequest {
		if err := ans.problem(); err != nil {
			return err
		}
	}
	if include {
		fmt.Fprintf(out, "%d %s\n", ans.status, http.StatusText(ans.status))
		_ = ans.header.Write(out)
		fmt.Fprintln(out)
	}
	if _, err := out.Write(ans.body); err != nil {
		return err
	}
	if len(ans.body) > 0 && ans.body[len(ans.body)-1] != '\n' {
		fmt.Fprintln(out)
	}
	if ans.status >= http.StatusBadRequest {
		return fmt.Errorf("app %s answered %d %s", app, ans.status, http.StatusText(ans.status))
	}
	return nil
}

// parseHeaders reads 'NAME: VALUE'.
func parseHeaders(list []string) (http.Header, error) {
	header := http.Header{}
	for _, h := range list {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, usagef("--header %q is not a header; expected 'NAME: VALUE'", h)
		}
		header.Add(name, value)
	}
	return header, nil
}

// escapeMethod makes a method's path and query fit for a URL: what is escaped already stays, the rest is escaped.
func escapeMethod(method string) string {
	path, query, hasQuery := strings.Cut(strings.TrimLeft(method, "/"), "?")
	if u, err := url.PathUnescape(path); err == nil {
		path = (&url.URL{Path: u, RawPath: path}).EscapedPath()
	} else {
		path = (&url.URL{Path: path}).EscapedPath()
	}
	// A colon in the first segment would read as a scheme, which EscapedPath does not mind here: a slash precedes it.
	if hasQuery {
		path += "?" + strings.NewReplacer(" ", "%20", "#", "%23").Replace(query)
	}
	return path
}
