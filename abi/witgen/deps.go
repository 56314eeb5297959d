package witgen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// dependency is what a deps folder has of one package: a folder, or a file.
type dependency struct {
	path string
	file bool
	// id is the package, with its version; "" if no file says so, then it is for the parser to complain.
	id string
}

// layDeps copies from the folder dir, but for what is at except, what the files name that are there already, and what
// that names.
func (l *layouter) layDeps(dir, except string) error {
	deps, err := dependencies(dir)
	if err != nil {
		return err
	}
	for more := true; more; {
		more = false
		for i, d := range deps {
			if d.path == "" || d.path == except || (d.id != "" && !l.refers(d.id)) {
				continue
			}
			if err := l.copyDependency(d); err != nil {
				return err
			}
			deps[i].path, more = "", true
		}
	}
	return nil
}

func (l *layouter) copyDependency(d dependency) error {
	to := filepath.Join("deps", filepath.Base(d.path))
	if d.file {
		return l.copyFile(d.path, to)
	}
	return l.copyFolder(d.path, to)
}

// refers tells whether a file names the package id. One without version may be any version.
func (l *layouter) refers(id string) bool {
	name, _, _ := strings.Cut(id, "@")
	return l.refs[id] || l.refs[name]
}

// dependencies lists what is in dir, which need not exist.
func dependencies(dir string) ([]dependency, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("WIT: %w", err)
	}
	var out []dependency
	for _, e := range entries {
		d := dependency{path: filepath.Join(dir, e.Name()), file: !e.IsDir()}
		files := []string{d.path}
		if !d.file {
			if files, err = filepath.Glob(filepath.Join(d.path, "*.wit")); err != nil {
				return nil, fmt.Errorf("WIT: %w", err)
			}
		} else if filepath.Ext(d.path) != ".wit" {
			continue
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("WIT: %w", err)
			}
			if m := packageLine.FindSubmatch(comments.ReplaceAll(data, nil)); m != nil {
				d.id = string(m[1])
			}
		}
		if len(files) > 0 {
			out = append(out, d)
		}
	}
	return out, nil
}

// references gives the packages that a WIT file names, with their versions if it names them, and more names that only
// look like packages.
func references(data []byte) []string {
	var out []string
	for _, m := range packageRef.FindAllSubmatch(comments.ReplaceAll(data, nil), -1) {
		out = append(out, string(m[1])+string(m[2]))
	}
	return out
}

// What is found without parsing: comments, the package that a file is of, and names such as wasi:io/streams@0.2.12.
var (
	comments    = regexp.MustCompile(`(?m)//.*$|(?s:/\*.*?\*/)`)
	packageLine = regexp.MustCompile(`(?m)^\s*package\s+([^\s;{]+)\s*;`)
	packageRef  = regexp.MustCompile(`([a-zA-Z][\w-]*:[a-zA-Z][\w-]*)/[\w-]+(@[\w.+-]*\w)?`)
)
