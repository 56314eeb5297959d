package filesystem

import (
	"os"
	"strings"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// maxPath bounds a path that a guest names, in bytes.
const maxPath = 4096

// checkPath tells what is wrong with a guest's path by itself.
func checkPath(path string) error {
	switch {
	case path == "":
		return code(abifs.ErrorCodeNoEntry)
	case strings.IndexByte(path, 0) >= 0:
		return code(abifs.ErrorCodeInvalid)
	case len(path) > maxPath:
		return code(abifs.ErrorCodeNameTooLong)
	case path[0] == '/':
		return code(abifs.ErrorCodeNotPermitted)
	}
	return nil
}

// split cuts a checked path into the folder, the last name and whether a slash follows it.
func split(path string) (dir, name string, slash bool) {
	trimmed := strings.TrimRight(path, "/")
	slash = trimmed != path
	dir, name = ".", trimmed
	if i := strings.LastIndexByte(trimmed, '/'); i >= 0 {
		dir, name = trimmed[:i], trimmed[i+1:]
	}
	return dir, name, slash
}

// dots tells whether name is not a name but a folder itself.
func dots(name string) bool { return name == "." || name == ".." }

// place is one name in an open folder. Nothing that is done with both follows a link.
type place struct {
	parent *os.File
	name   string
	// root and dir tell where the folder was found.
	root *os.Root
	dir  string
	// slash tells that the path asks for a folder.
	slash bool
}

// close closes the folder.
func (p *place) close() { _ = p.parent.Close() }

// find opens the folder of a path's last name. A last name that is "." or ".." is none: such a path fails with
// onDots if it is good otherwise.
func (d *Descriptor) find(path string, onDots abifs.ErrorCode) (*place, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	dir, name, slash := split(path)
	if dots(name) {
		if _, err := d.root.Stat(path); err != nil {
			return nil, err
		}
		return nil, code(onDots)
	}
	parent, err := openFolder(d.root, dir)
	if err != nil {
		return nil, err
	}
	return &place{parent: parent, name: name, root: d.root, dir: dir, slash: slash}, nil
}

// maxLinks bounds the links that a path's last name may lead through.
const maxLinks = 40

// findTarget is find, but goes on while the last name is a link.
func (d *Descriptor) findTarget(path string, onDots abifs.ErrorCode) (*place, error) {
	for range maxLinks {
		p, err := d.find(path, onDots)
		if err != nil {
			return nil, err
		}
		target, err := p.readlink()
		if err != nil {
			p.close()
			return nil, err
		}
		if target == "" {
			return p, nil
		}
		p.close()
		if target[0] == '/' {
			return nil, code(abifs.ErrorCodeNotPermitted)
		}
		dir, _, slash := split(path)
		path = dir + "/" + target
		if slash {
			path += "/"
		}
	}
	return nil, code(abifs.ErrorCodeLoop)
}
