package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	guestsdk "github.com/mrt-wasm/mrt-wasm/guest-sdk"
)

//go:embed template
var templates embed.FS

// sdkGo is the Go version that the SDK needs; a test holds it to the module's own.
const sdkGo = "1.26.0"

const newAppHelp = `Makes a folder with a project of one app. In Go it builds with Go alone, without a network: the app with a
test, its manifest, and the SDK. In another language it is a component: the app, its manifest, the building blocks' WIT
and the recipe; the README says which tools it needs. NAME is the app's name: lower-case letters, digits and dashes.`

func newNew() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "new",
		Short:   "Make a new project",
		Example: "  mrt-wasm new app hello\n  mrt-wasm new app hello --lang rust\n  mrt-wasm new component mystore --kind state",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	cmd.AddCommand(newNewApp(), newNewComponent(), newNewWIT())
	return cmd
}

const newComponentHelp = `Makes a folder with a project of one component that builds with Go alone, without a network: a
WebAssembly module that is a state store, pubsub broker, binding, secret store, configuration store, lock store, vault
of keys or HTTP middleware, with a test, a component file, and the SDK. NAME is the component's name: lower-case letters, digits and dashes.`

func newNewComponent() *cobra.Command {
	var kind, dir string
	cmd := &cobra.Command{
		Use:   "component NAME --kind KIND",
		Short: "Make a project of one component in a new folder",
		Long:  newComponentHelp,
		Example: `  mrt-wasm new component mystore --kind state && mrt-wasm test-component mystore
  mrt-wasm new component vault --kind secret --dir components/vault`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if err := checkName(name); err != nil {
				return err
			}
			if kindTypes()[kind] == "" {
				return usagef("--kind %q: want one of %s", kind, strings.Join(slices.Sorted(maps.Keys(kindTypes())), ", "))
			}
			if dir == "" {
				dir = name
			}
			if err := makeProject(dir, "component-"+kind, name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "made %s: next, 'go test ./...' in it, and the test-component line of its README.md\n", dir)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "", "state, pubsub, binding, secret, configuration, lock, crypto or middleware")
	f.StringVar(&dir, "dir", "", "folder to make (default NAME)")
	complete(cmd, "kind", slices.Sorted(maps.Keys(kindTypes()))...)
	return cmd
}

// appFlags are those of new app.
type appFlags struct {
	asHTTP, asSubscriber bool
	dir, lang            string
}

func newNewApp() *cobra.Command {
	var f appFlags
	cmd := &cobra.Command{
		Use:   "app NAME",
		Short: "Make a project of one app in a new folder",
		Long:  newAppHelp,
		Example: `  mrt-wasm new app hello && mrt-wasm run hello
  mrt-wasm new app inbox --subscriber
  mrt-wasm new app hello --dir services/hello
  mrt-wasm new app notes --lang rust`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return newApp(cmd, &f, args[0]) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.asHTTP, "http", false, "an app that serves HTTP and keeps state (the default)")
	fs.BoolVar(&f.asSubscriber, "subscriber", false, "an app that handles the messages of a topic; of other languages than Go every app does")
	fs.StringVar(&f.lang, "lang", "go", strings.Join(appLangs(), ", "))
	fs.StringVar(&f.dir, "dir", "", "folder to make (default NAME)")
	cmd.MarkFlagsMutuallyExclusive("http", "subscriber")
	complete(cmd, "lang", appLangs()...)
	return cmd
}

func newApp(cmd *cobra.Command, f *appFlags, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if !slices.Contains(appLangs(), f.lang) {
		return usagef("--lang %q: want one of %s", f.lang, strings.Join(appLangs(), ", "))
	}
	dir := f.dir
	if dir == "" {
		dir = name
	}
	if f.lang != "go" {
		if f.asSubscriber {
			return usagef("--subscriber is for --lang go; an app in %s handles a topic and serves HTTP", f.lang)
		}
		return newLangApp(cmd, dir, f.lang, name)
	}
	kind := "http"
	if f.asSubscriber {
		kind = "subscriber"
	}
	if err := makeProject(dir, kind, name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "made %s: next, 'go test ./...' in it, and 'mrt-wasm run %s'\n", dir, dir)
	return err
}

var appName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkName(name string) error {
	if appName.MatchString(name) {
		return nil
	}
	return usagef("%q is not a name for an app; expected 1 to 63 lower-case letters, digits and dashes, "+
		"first a letter and no dash at the end, for example hello-world", name)
}

// makeProject writes the files of a project in Go. A folder with anything in it is refused before the first of them.
func makeProject(dir, kind, name string) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	for _, group := range []string{"common", kind} {
		if err := writeTemplates(dir, group, name); err != nil {
			return err
		}
	}
	return guestsdk.Walk(func(file string, data []byte) error {
		return writeFile(filepath.Join(dir, "mrt-sdk", filepath.FromSlash(file)), data)
	})
}

// checkEmpty refuses a folder that has anything in it.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s cannot be the project's folder: %w", dir, err)
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: it has %s; choose another name, or another folder with --dir",
			dir, entries[0].Name())
	}
	return nil
}

// writeTemplates writes a group of templates, with its folders. Files that do not end in .tmpl are written as they are.
func writeTemplates(dir, group, name string) error {
	// Placeholders only: text/template would have the linker keep every method of every type, a third of the binary.
	fill := strings.NewReplacer("{{.Name}}", name, "{{.Crate}}", strings.ReplaceAll(name, "-", "_"), "{{.GoVersion}}", sdkGo, `{{"{{"}}`, "{{")
	root := path.Join("template", group)
	return fs.WalkDir(templates, root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templates.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.HasSuffix(file, ".tmpl") {
			text = []byte(fill.Replace(string(text)))
		}
		return writeFile(filepath.Join(dir, target(strings.TrimPrefix(file, root+"/"))), text)
	})
}

// target gives the path of a template's file: names that would mean something in this repository are written in
// another way here.
func target(templateName string) string {
	switch name := strings.TrimSuffix(templateName, ".tmpl"); name {
	case "gitignore":
		return ".gitignore"
	case "mrt-sdk.go.mod":
		return filepath.Join("mrt-sdk", "go.mod")
	default:
		return filepath.FromSlash(name)
	}
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
