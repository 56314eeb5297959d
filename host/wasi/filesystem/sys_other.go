//go:build !linux && !darwin

package filesystem

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// Flags of the open system call that this system does not have.
const (
	onlyFolder = 0
	noTerminal = 0
)

// isAbsolute tells whether what a link contains is an absolute or rooted path.
func isAbsolute(target string) bool {
	return filepath.IsAbs(target) || filepath.VolumeName(target) != "" || target != "" && os.IsPathSeparator(target[0])
}

// openFolder opens the folder at path within root.
func openFolder(root *os.Root, path string) (*os.File, error) {
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.IsDir() {
		err = code(abifs.ErrorCodeNotDirectory)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openNoFollow opens what is at path within root, unless it is a link: that fails with loop.
func openNoFollow(root *os.Root, path string, flags int) (*os.File, error) {
	if _, name, slash := split(path); !slash && !dots(name) {
		if fi, err := root.Lstat(path); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			return nil, code(abifs.ErrorCodeLoop)
		}
	}
	return root.OpenFile(path, flags, filePermissions)
}

// rootOf makes a root of the open folder f, which is at path in parent.
func rootOf(f *os.File, parent *os.Root, path string) (*os.Root, error) {
	return parent.OpenRoot(path)
}

func extraOf(os.FileInfo) extra { return extra{links: 1} }

// syncData writes a file's data to disk.
func syncData(f *os.File) error { return f.Sync() }

// advise does nothing: advice may be ignored.
func advise(*os.File, int64, int64, abifs.Advice) error { return nil }

// appendTo writes p to the file's end.
func appendTo(f *os.File, p []byte) error { return appendAtSize(f, p) }

// setTimes cannot be done with an open file here.
func setTimes(*os.File, [2]stamp) error { return code(abifs.ErrorCodeUnsupported) }

// within gives a root of the place's folder.
func (p *place) within() (*os.Root, error) { return p.root.OpenRoot(p.dir) }

// readlink gives what the link contains, "" if it is none or does not exist.
func (p *place) readlink() (string, error) {
	root, err := p.within()
	if err != nil {
		return "", err
	}
	defer root.Close()
	fi, err := root.Lstat(p.name)
	if err != nil || fi.Mode()&os.ModeSymlink == 0 {
		return "", nil
	}
	target, err := root.Readlink(p.name)
	if err == nil && isAbsolute(target) {
		err = code(abifs.ErrorCodeNotPermitted)
	}
	return path.Clean(filepath.ToSlash(target)), err
}

// setTimes sets the times of what has the name.
func (p *place) setTimes(times [2]stamp) error {
	root, err := p.within()
	if err != nil {
		return err
	}
	defer root.Close()
	var at [2]time.Time // the zero time leaves what there is
	for i, t := range times {
		switch {
		case t.now:
			at[i] = time.Now()
		case !t.keep:
			at[i] = t.at
		}
	}
	return root.Chtimes(p.name, at[0], at[1])
}

// link gives from the name to within one descriptor only.
func link(from, to *place) error {
	return inOne(from, to, (*os.Root).Link)
}

// rename makes to of from within one descriptor only.
func rename(from, to *place) error {
	return inOne(from, to, (*os.Root).Rename)
}

func inOne(from, to *place, do func(root *os.Root, from, to string) error) error {
	if from.root != to.root {
		return code(abifs.ErrorCodeCrossDevice)
	}
	return do(from.root, from.dir+"/"+from.name, to.dir+"/"+to.name)
}

// removeFile removes what is no folder.
func removeFile(p *place) error { return p.remove(false, abifs.ErrorCodeIsDirectory) }

// removeFolder removes an empty folder.
func removeFolder(p *place) error { return p.remove(true, abifs.ErrorCodeNotDirectory) }

func (p *place) remove(folder bool, other abifs.ErrorCode) error {
	root, err := p.within()
	if err != nil {
		return err
	}
	defer root.Close()
	fi, err := root.Lstat(p.name)
	if err != nil {
		return err
	}
	if fi.IsDir() != folder {
		return code(other)
	}
	return root.Remove(p.name)
}
