// Package guestsdk carries the source of the Go SDK for apps, so that a new project can be made on a machine that
// has neither this repository nor a network. Apps import the packages below guest-sdk/go, never this one.
package guestsdk

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed go
var files embed.FS

// Root is the folder of the repository that Walk's paths start with.
const Root = "guest-sdk"

// Walk calls fn for every file that an app's build needs, in lexical order: without tests and their data. Paths are
// relative to the root of the module and have slashes. It ends with the first error of fn.
func Walk(fn func(name string, data []byte) error) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir(), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return fn(path.Join(Root, name), data)
	})
}
