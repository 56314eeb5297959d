package witgen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.bytecodealliance.org/wit"
)

// Set is everything that Load found: WIT packages with their interfaces and worlds. It does not change.
type Set struct {
	pkgs []*witPackage
}

// Load reads the WIT at path, a file or a folder, and resolves it. What it refers to is looked for in the folders
// below path (or below the file's folder): each subfolder with .wit files, and each one in deps, is one package. A
// folder without .wit files of its own is a set of such packages.
//
// Errors name file and line as they stand on disk. A type that is not a value type (a resource, a stream, a future)
// is an error that names it.
//
// The first call on a machine compiles the WIT parser, which takes seconds; it is kept in the system's folder for
// temporary files.
func Load(ctx context.Context, path string) (*Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "witgen")
	if err != nil {
		return nil, fmt.Errorf("folder for the WIT parser: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l := layouter{dir: dir, path: path, real: map[string]string{}}
	if err := l.lay(path); err != nil {
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
	for _, base := range []string{root, filepath.Join(root, "deps")} {
		if err := l.layDeps(base); err != nil {
			return err
		}
	}
	switch {
	case len(l.real) == 0:
		return fmt.Errorf("WIT: expected .wit files in %s or in its subfolders, found none", path)
	case own == 0:
		l.synthetic = true
		return os.WriteFile(filepath.Join(l.dir, "root.wit"), []byte("package "+syntheticPackage+";\n"), 0o600)
	default:
		return nil
	}
}

// layDeps copies each subfolder of base with .wit files, and the single files of a deps folder.
func (l *layouter) layDeps(base string) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("WIT: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() && name != "deps":
			err = l.copyFolder(filepath.Join(base, name), filepath.Join("deps", name))
		case filepath.Base(base) == "deps" && filepath.Ext(name) == ".wit":
			err = l.copyFile(filepath.Join(base, name), filepath.Join("deps", name))
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	return os.WriteFile(target, data, 0o600)
}

// message makes one of a parser's message: the place in the user's own file, what is wrong, and the lines that show it.
func (l *layouter) message(msg string) string {
	for copied, from := range l.real {
		msg = strings.ReplaceAll(msg, copied, from)
	}
	msg = strings.ReplaceAll(strings.TrimPrefix(msg, "wasm-tools: "), l.dir, l.path)
	var what, where string
	var shown []string
	list := false // of known packages, under a line that ends in a colon
	for line := range strings.SplitSeq(msg, "\n") {
		text := strings.TrimSpace(line)
		place, isPlace := strings.CutPrefix(text, "--> ")
		switch {
		case isPlace:
			where = place
		case where != "":
			shown = append(shown, line)
		case text == "":
			list = false
		case list:
			what += " " + text
		case where == "" && text != "Caused by:":
			// Each line is the cause of the one before; the last one says it.
			list = strings.HasSuffix(text, ":")
			what = strings.TrimPrefix(causeNumber.ReplaceAllString(text, ""), "error: ")
		}
	}
	if where == "" {
		return strings.TrimSpace(msg)
	}
	return where + ": " + what + "\n" + strings.TrimRight(strings.Join(shown, "\n"), "\n ")
}

// causeNumber is how the parser numbers causes.
var causeNumber = regexp.MustCompile(`^\d+: `)
