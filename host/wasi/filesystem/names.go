package filesystem

import (
	"context"
	"errors"
	"io"
	"os"
	"unicode/utf8"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// CreateDirectoryAt makes a folder.
func (d *Descriptor) CreateDirectoryAt(_ context.Context, path string) *abifs.ErrorCode {
	if err := d.changeable(); err != nil {
		return fail(err)
	}
	if err := checkPath(path); err != nil {
		return fail(err)
	}
	return fail(d.root.Mkdir(path, folderPermissions))
}

// LinkAt gives a file a second name.
func (d *Descriptor) LinkAt(_ context.Context, follow abifs.PathFlags, oldPath string, to abifs.Descriptor, newPath string) *abifs.ErrorCode {
	find := d.find
	if follow.Has(abifs.PathFlagsSymlinkFollow) {
		find = d.findTarget
	}
	return fail(d.move(to, newPath, func() (*place, error) {
		return find(oldPath, abifs.ErrorCodeNotPermitted)
	}, link))
}

// RenameAt gives a file or folder another name.
func (d *Descriptor) RenameAt(_ context.Context, oldPath string, to abifs.Descriptor, newPath string) *abifs.ErrorCode {
	return fail(d.move(to, newPath, func() (*place, error) {
		return d.find(oldPath, abifs.ErrorCodeBusy)
	}, rename))
}

// move finds both names and calls do with them.
func (d *Descriptor) move(to abifs.Descriptor, newPath string, find func() (*place, error), do func(from, to *place) error) error {
	target, err := base(to)
	if err != nil {
		return err
	}
	for _, d := range []*Descriptor{d, target} {
		if err := d.changeable(); err != nil {
			return err
		}
	}
	from, err := find()
	if err != nil {
		return err
	}
	defer from.close()
	dest, err := target.find(newPath, abifs.ErrorCodeExist)
	if err != nil {
		return err
	}
	defer dest.close()
	return do(from, dest)
}

// ReadlinkAt gives what a symbolic link contains.
func (d *Descriptor) ReadlinkAt(_ context.Context, path string) (string, *abifs.ErrorCode) {
	if err := d.folder(); err != nil {
		return "", fail(err)
	}
	if err := checkPath(path); err != nil {
		return "", fail(err)
	}
	target, err := d.root.Readlink(path)
	switch {
	case err != nil:
		return "", fail(err)
	case isAbsolute(target):
		return "", fail(code(abifs.ErrorCodeNotPermitted))
	case !utf8.ValidString(target):
		return "", fail(code(abifs.ErrorCodeIllegalByteSequence))
	}
	return target, nil
}

// SymlinkAt makes a symbolic link. It may name what is outside; it then leads nowhere.
func (d *Descriptor) SymlinkAt(_ context.Context, oldPath, newPath string) *abifs.ErrorCode {
	if err := d.changeable(); err != nil {
		return fail(err)
	}
	for _, p := range []string{oldPath, newPath} {
		if err := checkPath(p); err != nil {
			return fail(err)
		}
	}
	if isAbsolute(oldPath) {
		return fail(code(abifs.ErrorCodeNotPermitted))
	}
	return fail(d.root.Symlink(oldPath, newPath))
}

// RemoveDirectoryAt removes an empty folder.
func (d *Descriptor) RemoveDirectoryAt(_ context.Context, path string) *abifs.ErrorCode {
	return fail(d.remove(path, abifs.ErrorCodeInvalid, removeFolder))
}

// UnlinkFileAt removes what is no folder.
func (d *Descriptor) UnlinkFileAt(_ context.Context, path string) *abifs.ErrorCode {
	return fail(d.remove(path, abifs.ErrorCodeIsDirectory, removeFile))
}

func (d *Descriptor) remove(path string, onDots abifs.ErrorCode, do func(*place) error) error {
	if err := d.changeable(); err != nil {
		return err
	}
	p, err := d.find(path, onDots)
	if err != nil {
		return err
	}
	defer p.close()
	return do(p)
}

// ReadDirectory gives a stream of what is in the folder.
func (d *Descriptor) ReadDirectory(context.Context) (abifs.DirectoryEntryStream, *abifs.ErrorCode) {
	if err := d.folder(); err != nil {
		return nil, fail(err)
	}
	if err := d.fs.acquire(); err != nil {
		return nil, fail(err)
	}
	f, err := openFolder(d.root, ".")
	if err != nil {
		d.fs.release()
		return nil, fail(err)
	}
	return &entries{fs: d.fs, folder: f}, nil
}

// batch is how many entries are read at once.
const batch = 64

// entries is the resource wasi:filesystem/types.directory-entry-stream.
type entries struct {
	fs     *FS
	folder *os.File
	read   []os.DirEntry
	err    error
}

// ReadDirectoryEntry gives the next entry, nil at the end. A name that is not UTF-8 fails with illegal-byte-sequence; the
// next call goes on behind it.
func (e *entries) ReadDirectoryEntry(context.Context) (*abifs.DirectoryEntry, *abifs.ErrorCode) {
	if len(e.read) == 0 && e.err == nil {
		e.read, e.err = e.folder.ReadDir(batch)
	}
	if len(e.read) == 0 {
		if errors.Is(e.err, io.EOF) {
			return nil, nil
		}
		return nil, fail(e.err)
	}
	next := e.read[0]
	e.read = e.read[1:]
	if !utf8.ValidString(next.Name()) {
		return nil, fail(code(abifs.ErrorCodeIllegalByteSequence))
	}
	return &abifs.DirectoryEntry{Type: typeOf(next.Type()), Name: next.Name()}, nil
}

// Drop closes the folder.
func (e *entries) Drop(context.Context) {
	_ = e.folder.Close()
	e.fs.release()
}
