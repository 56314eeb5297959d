// Package wit carries the contracts of the building blocks, so that a project in any language can be made on a machine that
// has not this repository. It is not for the standard interfaces in deps, which toolchains bring with them.
package wit

import (
	"embed"
	"io/fs"
)

//go:embed */*.wit
var files embed.FS

// Walk calls fn for every file of the blocks' packages, in lexical order. Names have slashes, for example state/state.wit;
// the folder is the block's name. It ends with the first error of fn.
func Walk(fn func(name string, data []byte) error) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return fn(name, data)
	})
}
