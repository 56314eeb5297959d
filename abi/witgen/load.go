package witgen

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.bytecodealliance.org/wit"
)

// Set is everything that Load found: WIT packages with their interfaces and worlds. It does not change.
type Set struct {
	pkgs []*witPackage
}

// Load reads the WIT at path, a file or a folder, and resolves it. Each subfolder with .wit files of path (or of the
// file's folder) is one package; each one in deps is one as far as anything refers to it. A folder without .wit files
// of its own is a set of such packages. A folder that is in a folder deps itself finds what it refers to there.
//
// Errors name file and line as they stand on disk. A type that is neither a value type nor a resource (a stream, a
// future) is an error that names it. Features that are not stable are taken in.
//
// The first call on a machine compiles the WIT parser, which takes seconds; it is kept in the system's folder for
// temporary files.
func Load(ctx context.Context, path string) (*Set, error) {
	return load(ctx, path, func(l *layouter) error { return l.lay(path) })
}

// load resolves what lay lays out; path is for messages.
func load(ctx context.Context, path string, lay func(*layouter) error) (*Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "witgen")
	if err != nil {
		return nil, fmt.Errorf("folder for the WIT parser: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l := layouter{dir: dir, path: path, real: map[string]string{}, refs: map[string]bool{}}
	if err := lay(&l); err != nil {
		return nil, err
	}
	res, err := wit.LoadWIT(dir)
	if err != nil {
		return nil, fmt.Errorf("parse WIT: %s", l.message(err.Error()))
	}
	set, err := newResolver().resolve(res)
	if err != nil {
		return nil, fmt.Errorf("WIT of %s: %w", path, err)
	}
	set.drop(l.synthetic)
	return set, nil
}

// syntheticPackage is the root package of a folder that has packages but no .wit file of its own.
const syntheticPackage = "mrt-witgen:root"

// drop takes the synthetic root package out.
func (s *Set) drop(synthetic bool) {
	if !synthetic {
		return
	}
	for i, p := range s.pkgs {
		if p.id() == syntheticPackage {
			s.pkgs = append(s.pkgs[:i], s.pkgs[i+1:]...)
			return
		}
	}
}

// layouter copies WIT files to the layout that the parser wants: the root package's files, and deps/<name>/ for each
// other package.
type layouter struct {
	// dir is where the copies are, path what the user named.
	dir, path string
	// real are the files by the names of their copies.
	real      map[string]string
	synthetic bool
	// refs are the packages that the files name.
	refs map[string]bool
}

func (l *layouter) lay(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("WIT: expected a .wit file or a folder of them: %w", err)
	}
	root := path
	if !info.IsDir() {
		if filepath.Ext(path) != ".wit" {
			return fmt.Errorf("WIT: expected a .wit file or a folder of them, found %s", path)
		}
		root = filepath.Dir(path)
		if err := l.copyFile(path, filepath.Base(path)); err != nil {
			return err
		}
	} else if err := l.copyFolder(root, ""); err != nil {
		return err
	}
	own := len(l.real)
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("WIT: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "deps" {
			if err := l.copyFolder(filepath.Join(root, e.Name()), filepath.Join("deps", e.Name())); err != nil {
				return err
			}
		}
	}
	if err := l.layDeps(filepath.Join(root, "deps"), ""); err != nil {
		return err
	}
	if siblings := filepath.Dir(root); filepath.Base(siblings) == "deps" {
		if err := l.layDeps(siblings, root); err != nil {
			return err
		}
	}
	return l.finish(own)
}

// finish makes a root package if the files that were laid out, own of which are the root's, have none.
func (l *layouter) finish(own int) error {
	switch {
	case len(l.real) == 0:
		return fmt.Errorf("WIT: expected .wit files in %s or in its subfolders, found none", l.path)
	case own == 0:
		l.synthetic = true
		return os.WriteFile(filepath.Join(l.dir, "root.wit"), []byte("package "+syntheticPackage+";\n"), 0o600)
	default:
		return nil
	}
}

// copyFolder copies the .wit files directly in from.
func (l *layouter) copyFolder(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("WIT: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".wit" {
			continue
		}
		if err := l.copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (l *layouter) copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("WIT: %w", err)
	}
	target := filepath.Join(l.dir, to)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return fmt.Errorf("WIT: %w", err)
	}
	l.real[target] = from
	for _, ref := range references(data) {
		l.refs[ref] = true
	}
	return os.WriteFile(target, data, 0o600)
}
