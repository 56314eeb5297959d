package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

const componentsHelp = `Lists the drivers of components that this binary has, with their metadata fields, or documents one.

A field with * has to be there; one with ! is a credential, which belongs into a secret store (secretKeyRef). Fields that
are only for a way to sign in, or for one direction of a binding, say so; those with * are needed for it.`

// The forms in which drivers are documented.
const (
	asText     = "text"
	asJSON     = "json"
	asMarkdown = "markdown"
)

func newComponents(drivers host.Drivers) *cobra.Command {
	format := asText
	cmd := &cobra.Command{
		Use:   "components [TYPE|BLOCK]",
		Short: "List the drivers that this binary has, or document one",
		Long:  componentsHelp,
		Example: `  mrt-wasm components
  mrt-wasm components pubsub
  mrt-wasm components state.redis
  mrt-wasm components --format json | jq -r .[].type`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, whole := drivers.Describe(), false
			if len(args) == 1 {
				var err error
				if found, whole, err = chosen(found, args[0]); err != nil {
					return err
				}
			}
			return printDrivers(cmd.OutOrStdout(), found, whole, format)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var types []string
			for _, d := range drivers.Describe() {
				types = append(types, d.Type)
			}
			return types, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "text, json or markdown")
	return cmd
}

// chosen gives the driver of a type, or all drivers of a block.
func chosen(all []component.Description, name string) (found []component.Description, whole bool, err error) {
	var types []string
	for _, d := range all {
		if d.Named(name) {
			return []component.Description{d}, true, nil
		}
		block, _, _ := strings.Cut(d.Type, ".")
		if strings.EqualFold(block, name) {
			found = append(found, d)
		}
		types = append(types, d.Type)
	}
	if len(found) > 0 {
		return found, false, nil
	}
	text := fmt.Sprintf("this binary has no driver %s", name)
	if near := suggest(name, types); near != "" {
		text += "; " + near
	}
	return nil, false, fmt.Errorf("%s; mrt-wasm components lists what it has", text)
}

func printDrivers(out io.Writer, all []component.Description, whole bool, format string) error {
	switch format {
	case asJSON:
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	case asMarkdown:
		_, err := io.WriteString(out, markdown(all))
		return err
	case asText:
		text := driverList(all)
		if whole {
			text = driverPage(all[0])
		}
		_, err := io.WriteString(out, text)
		return err
	default:
		return usagef("--format %s: want text, json or markdown", format)
	}
}

// driverList has a paragraph for each driver.
func driverList(all []component.Description) string {
	var b strings.Builder
	for i, d := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n  %s\n", strings.Join(append([]string{d.Type}, d.Aliases...), ", "), d.Summary)
		names := make([]string, 0, len(d.Fields))
		for _, f := range d.Fields {
			names = append(names, f.Name+marks(f))
		}
		if d.Further {
			names = append(names, "...")
		}
		if len(names) > 0 {
			b.WriteString(wrap(strings.Join(names, " "), "  fields: ", "          "))
		}
	}
	return b.String()
}

func marks(f component.Field) string {
	var m string
	if f.Required {
		m += "*"
	}
	if f.Secret {
		m += "!"
	}
	return m
}

// driverPage documents one driver, with a component file to begin with.
func driverPage(d component.Description) string {
	var b strings.Builder
	b.WriteString(d.Type)
	if len(d.Aliases) > 0 {
		fmt.Fprintf(&b, " (also %s)", strings.Join(d.Aliases, ", "))
	}
	fmt.Fprintf(&b, ", version %s\n\n%s\n", strings.Join(d.Versions, " or "), d.Summary)
	if d.Doc != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(d.Doc))
	}
	fmt.Fprintf(&b, "\n%s\n", exampleFile(d))
	if len(d.Fields) == 0 {
		return b.String()
	}
	b.WriteString("Metadata:\n")
	for _, f := range d.Fields {
		b.WriteString(wrap(strings.Join(append([]string{f.Name}, f.Aliases...), ", ")+" ("+strings.Join(facts(f), ", ")+")", "  ", "    "))
		if f.Doc != "" {
			b.WriteString(wrap(f.Doc, "      ", "      "))
		}
	}
	if d.Further {
		b.WriteString("  Other fields are handed on.\n")
	}
	return b.String()
}

func facts(f component.Field) []string {
	out := []string{f.Kind}
	if f.Required {
		out = append(out, "required")
	}
	if f.Secret {
		out = append(out, "credential")
	}
	if f.Default != "" {
		out = append(out, "default "+f.Default)
	}
	if len(f.Allowed) > 0 {
		out = append(out, "one of "+strings.Join(f.Allowed, " "))
	}
	if len(f.For) > 0 {
		uses := make([]string, len(f.For))
		for i, use := range f.For {
			uses[i] = use.Name
			if use.Required {
				uses[i] += "*"
			}
		}
		out = append(out, "for "+strings.Join(uses, "; "))
	}
	return out
}

// exampleFile is a component file with the fields that have to be there.
func exampleFile(d component.Description) string {
	var b strings.Builder
	_, name, _ := strings.Cut(d.Type, ".")
	fmt.Fprintf(&b, "  apiVersion: dapr.io/v1alpha1\n  kind: Component\n  metadata:\n    name: my-%s\n  spec:\n    type: %s\n    version: %s\n",
		strings.ReplaceAll(name, ".", "-"), d.Type, d.Versions[0])
	first := true
	for _, f := range d.Fields {
		if !f.Required {
			continue
		}
		if first {
			b.WriteString("    metadata:\n")
		}
		first = false
		if f.Secret {
			fmt.Fprintf(&b, "    - name: %s\n      secretKeyRef: {name: SECRET, key: KEY}\n", f.Name)
			continue
		}
		fmt.Fprintf(&b, "    - name: %s\n      value: \"\"\n", f.Name)
	}
	return b.String()
}

// width is how many columns a line of text takes.
const width = 100

// wrap breaks text into lines, the first of which begins with first and the others with next.
func wrap(text, first, next string) string {
	var b strings.Builder
	line := first
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
	return b.String()
}

const markdownHead = `<!-- Made by make generate from the drivers' own documentation. Do not edit. -->
# Drivers

The components of the standard binary, by Dapr's names; ` + "`mrt-wasm components TYPE`" + ` says the same. A credential belongs
into a secret store (` + "`secretKeyRef`" + `). Fields that a building block reads whatever the driver (scopes, encryption,
key prefixes) are in [manifest.md](manifest.md).
`

// markdown is the reference page of all drivers.
func markdown(all []component.Description) string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, d := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", d.Type, d.Summary)
		if len(d.Aliases) > 0 {
			fmt.Fprintf(&b, "\nAlso: `%s`.", strings.Join(d.Aliases, "`, `"))
		}
		if len(d.Versions) > 1 {
			fmt.Fprintf(&b, "\nVersions: %s.", strings.Join(d.Versions, ", "))
		}
		if len(d.Aliases) > 0 || len(d.Versions) > 1 {
			b.WriteByte('\n')
		}
		if d.Doc != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(d.Doc))
		}
		if len(d.Fields) == 0 {
			continue
		}
		b.WriteString("\n| field | | |\n|---|---|---|\n")
		for _, f := range d.Fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(append([]string{f.Name}, f.Aliases...), "`, `"),
				cell(strings.Join(facts(f), ", ")), cell(f.Doc))
		}
	}
	return b.String()
}

// cell is text within a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
