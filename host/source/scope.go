package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// scope is which files belong to one app's source.
type scope struct {
	// file is the wasm file of a wasm source; nothing else belongs to it.
	file string
	// tree is the folder of a Go source.
	tree string
	// packages are the folders of the packages that it imports from its own and locally replaced modules, itself
	// included; true when the package embeds files.
	packages map[string]bool
	// modules are the folders whose go.mod, go.sum and go.work count.
	modules map[string]bool
}

// concerns tells whether a change of path is a change of the app.
func (s *scope) concerns(path string) bool {
	if s.file != "" {
		return path == s.file
	}
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	switch {
	case ignoredFile(name) || ignoredPath(strings.TrimPrefix(dir, s.tree)):
		return false
	case name == "go.mod" || name == "go.sum" || name == "go.work":
		return s.modules[dir] || dir == s.tree
	case strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".s"):
		// Below the tree any folder counts: a package that is new there is imported with the next save.
		_, known := s.packages[dir]
		return known || within(s.tree, dir)
	}
	for pkg, embeds := range s.packages {
		if embeds && within(pkg, dir) {
			return true
		}
	}
	return false
}

// inTree tells whether new folders at path are to be watched.
func (s *scope) inTree(path string) bool {
	if s.file != "" {
		return false
	}
	if within(s.tree, path) {
		return !ignoredPath(strings.TrimPrefix(path, s.tree))
	}
	for pkg, embeds := range s.packages {
		if embeds && within(pkg, path) {
			return true
		}
	}
	return false
}

// folders lists what is to be watched: folders rather than files, because editors replace files.
func (s *scope) folders() []string {
	if s.file != "" {
		return []string{filepath.Dir(s.file)}
	}
	dirs := subfolders(s.tree)
	for pkg, embeds := range s.packages {
		if embeds {
			dirs = append(dirs, subfolders(pkg)...)
		} else {
			dirs = append(dirs, pkg)
		}
	}
	for dir := range s.modules {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// within tells whether path is dir or lies below it.
func within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
}

// ignoredFile tells whether a file never matters: tests, hidden files and what editors leave for a moment.
func ignoredFile(name string) bool {
	return strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") ||
		strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".swp")
}

// ignoredPath tells whether a path has a folder that never matters.
func ignoredPath(path string) bool {
	return slices.ContainsFunc(strings.Split(path, string(filepath.Separator)), ignoredFolder)
}

// ignoredFolder: hidden folders (.git, .mrt) and what the go command leaves out too.
func ignoredFolder(name string) bool {
	return strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules"
}

// subfolders lists root, if it is a folder, and all folders below it that matter. What vanishes meanwhile is left out.
func subfolders(root string) []string {
	var dirs []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // gone again, or not readable: then it is no source either
		case !d.IsDir():
			return nil
		case path != root && ignoredFolder(d.Name()):
			return filepath.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	return dirs
}

// scopeOf gives what belongs to a source as far as its paths tell.
func scopeOf(s Spec) (*scope, error) {
	if s.Wasm != "" {
		file, err := filepath.Abs(s.Wasm)
		return &scope{file: file}, err
	}
	tree, err := filepath.Abs(s.Go)
	if err != nil {
		return nil, err
	}
	// go list gives real paths, and names of events must compare with them.
	tree, err = filepath.EvalSymlinks(tree)
	return &scope{tree: tree, packages: map[string]bool{}, modules: map[string]bool{}}, err
}

// list asks the go command which packages and modules belong to the source.
func (s *scope) list(ctx context.Context, goCmd string) error {
	cmd := command(ctx, goCmd, s.tree, "list", "-e", "-deps", "-json=Dir,Standard,Module,EmbedPatterns", ".")
	cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Standard || p.Dir == "" || !p.local() {
			continue
		}
		s.packages[p.Dir] = len(p.EmbedPatterns) > 0
		if p.Module != nil && p.Module.Dir != "" {
			s.modules[p.Module.Dir] = true
		}
	}
}

// listed is the part of go list's answer that matters.
type listed struct {
	Dir           string
	Standard      bool
	EmbedPatterns []string
	Module        *struct {
		Main    bool
		Dir     string
		Replace *struct{ Version string }
	}
}

// local tells whether the package can change: it is in the main module, or in one replaced by a folder.
func (p listed) local() bool {
	return p.Module == nil || p.Module.Main || p.Module.Replace != nil && p.Module.Replace.Version == ""
}
