//go:build linux || darwin

package filesystem

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// Flags of the open system call.
const (
	onlyFolder = syscall.O_DIRECTORY
	noTerminal = syscall.O_NOCTTY
)

// isAbsolute tells whether what a link contains is an absolute path.
func isAbsolute(target string) bool { return strings.HasPrefix(target, "/") }

// withFD calls do with f's file descriptor.
func withFD(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if failed = do(int(fd)); !errors.Is(failed, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

// openFolder opens the folder at path within root.
func openFolder(root *os.Root, path string) (*os.File, error) {
	return root.OpenFile(path, os.O_RDONLY|onlyFolder|syscall.O_NONBLOCK, 0)
}

// openNoFollow opens what is at path within root, unless it is a link: that fails with loop. A path that ends with a
// slash is followed, as everywhere.
func openNoFollow(root *os.Root, path string, flags int) (*os.File, error) {
	dir, name, slash := split(path)
	if slash || dots(name) {
		return root.OpenFile(path, flags, filePermissions)
	}
	parent, err := openFolder(root, dir)
	if err != nil {
		return nil, err
	}
	p := &place{parent: parent, name: name}
	defer p.close()
	var f *os.File
	err = withFD(parent, func(fd int) error {
		opened, err := unix.Openat(fd, name, flags|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, filePermissions)
		if err == nil {
			f = os.NewFile(uintptr(opened), path)
		}
		return err
	})
	if errors.Is(err, syscall.ENOTDIR) {
		if target, err := p.readlink(); err == nil && target != "" {
			return nil, code(abifs.ErrorCodeLoop)
		}
	}
	return f, err
}

// readlink gives what the link contains, "" if it is none or does not exist.
func (p *place) readlink() (string, error) {
	buf := make([]byte, maxPath+1)
	var n int
	err := withFD(p.parent, func(fd int) error {
		var err error
		n, err = unix.Readlinkat(fd, p.name, buf)
		return err
	})
	switch {
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOENT):
		return "", nil
	case err != nil:
		return "", err
	case n > maxPath:
		return "", code(abifs.ErrorCodeNameTooLong)
	}
	return string(buf[:n]), nil
}

// isFolder tells whether the name is a folder; it fails if there is nothing.
func (p *place) isFolder() (bool, error) {
	var st unix.Stat_t
	err := withFD(p.parent, func(fd int) error { return unix.Fstatat(fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, err
}

// at2 calls do with the folders of both places.
func at2(from, to *place, do func(from, to int) error) error {
	return withFD(from.parent, func(a int) error {
		return withFD(to.parent, func(b int) error { return do(a, b) })
	})
}

// link gives from the name to.
func link(from, to *place) error {
	folder, err := from.isFolder()
	switch {
	case err != nil:
		return err
	case folder:
		return code(abifs.ErrorCodeNotPermitted)
	case from.slash:
		return code(abifs.ErrorCodeNotDirectory)
	}
	if to.slash {
		if _, err := to.isFolder(); err != nil {
			return err
		}
		return code(abifs.ErrorCodeExist)
	}
	return at2(from, to, func(a, b int) error { return unix.Linkat(a, from.name, b, to.name, 0) })
}

// rename makes to of from.
func rename(from, to *place) error {
	if from.slash || to.slash {
		folder, err := from.isFolder()
		if err != nil {
			return err
		}
		if !folder {
			return code(abifs.ErrorCodeNotDirectory)
		}
	}
	return at2(from, to, func(a, b int) error { return unix.Renameat(a, from.name, b, to.name) })
}

// removeFile removes what is no folder.
func removeFile(p *place) error {
	// Some systems let the superuser unlink folders or tell another error.
	folder, err := p.isFolder()
	switch {
	case err != nil:
		return err
	case folder:
		return code(abifs.ErrorCodeIsDirectory)
	case p.slash:
		return code(abifs.ErrorCodeNotDirectory)
	}
	return withFD(p.parent, func(fd int) error { return unix.Unlinkat(fd, p.name, 0) })
}

// removeFolder removes an empty folder.
func removeFolder(p *place) error {
	err := withFD(p.parent, func(fd int) error { return unix.Unlinkat(fd, p.name, unix.AT_REMOVEDIR) })
	if errors.Is(err, syscall.EEXIST) {
		return code(abifs.ErrorCodeNotEmpty)
	}
	return err
}

// openSame opens the folder at path as a root, if it is still the folder f.
func openSame(f *os.File, parent *os.Root, path string) (*os.Root, error) {
	want, err := f.Stat()
	if err != nil {
		return nil, err
	}
	root, err := parent.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	found, err := root.Stat(".")
	if err == nil && !os.SameFile(want, found) {
		err = code(abifs.ErrorCodeBusy)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}
