package filesystem

import (
	"context"
	"os"
	"syscall"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// permissions of what guests create, before the process's umask.
const (
	filePermissions   = 0o666
	folderPermissions = 0o777
)

// OpenAt opens what is at path.
//
// A folder that is opened may be changed if the one that it is opened in may: libraries ask for mutate-directory only
// where they know that a path is a folder.
func (d *Descriptor) OpenAt(_ context.Context, follow abifs.PathFlags, path string, how abifs.OpenFlags, flags abifs.DescriptorFlags) (abifs.Descriptor, *abifs.ErrorCode) {
	if err := d.mayOpen(path, how, flags); err != nil {
		return nil, fail(err)
	}
	if err := d.fs.acquire(); err != nil {
		return nil, fail(err)
	}
	out, err := d.openAt(follow, path, how, flags)
	if err != nil {
		d.fs.release()
		return nil, fail(err)
	}
	return out, nil
}

// mayOpen checks what can be checked before anything is opened.
func (d *Descriptor) mayOpen(path string, how abifs.OpenFlags, flags abifs.DescriptorFlags) error {
	if err := d.folder(); err != nil {
		return err
	}
	if err := checkPath(path); err != nil {
		return err
	}
	const change = abifs.DescriptorFlagsWrite | abifs.DescriptorFlagsMutateDirectory
	if flags&change != 0 || how&(abifs.OpenFlagsCreate|abifs.OpenFlagsTruncate) != 0 {
		if err := d.changeable(); err != nil {
			return err
		}
	}
	const ofFiles = abifs.OpenFlagsCreate | abifs.OpenFlagsExclusive | abifs.OpenFlagsTruncate
	if how.Has(abifs.OpenFlagsDirectory) && how&ofFiles != 0 {
		return code(abifs.ErrorCodeInvalid)
	}
	return nil
}

func (d *Descriptor) openAt(follow abifs.PathFlags, path string, how abifs.OpenFlags, flags abifs.DescriptorFlags) (*Descriptor, error) {
	var f *os.File
	var err error
	if follow.Has(abifs.PathFlagsSymlinkFollow) {
		f, err = d.root.OpenFile(path, systemFlags(how, flags), filePermissions)
	} else {
		f, err = openNoFollow(d.root, path, systemFlags(how, flags))
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if fi.IsDir() {
		return d.openedFolder(f, path, flags)
	}
	if how.Has(abifs.OpenFlagsDirectory) {
		_ = f.Close()
		return nil, code(abifs.ErrorCodeNotDirectory)
	}
	const ofFolders = abifs.DescriptorFlagsMutateDirectory
	if flags &^= ofFolders; flags&(abifs.DescriptorFlagsRead|abifs.DescriptorFlagsWrite) == 0 {
		flags |= abifs.DescriptorFlagsRead
	}
	out := &Descriptor{fs: d.fs, flags: flags, readOnly: d.changeable() != nil, file: &file{File: f, fs: d.fs}}
	out.file.retain()
	return out, nil
}

// openedFolder makes a descriptor of the folder f at path and closes f.
func (d *Descriptor) openedFolder(f *os.File, path string, flags abifs.DescriptorFlags) (*Descriptor, error) {
	defer f.Close()
	if flags.Has(abifs.DescriptorFlagsWrite) {
		return nil, code(abifs.ErrorCodeIsDirectory)
	}
	root, err := rootOf(f, d.root, path)
	if err != nil {
		return nil, err
	}
	inherited := d.flags & (abifs.DescriptorFlagsRead | abifs.DescriptorFlagsMutateDirectory)
	return &Descriptor{fs: d.fs, flags: inherited, root: root}, nil
}

// systemFlags gives the flags of the open system call. It never waits for the other end of a pipe.
func systemFlags(how abifs.OpenFlags, flags abifs.DescriptorFlags) int {
	out := syscall.O_NONBLOCK | noTerminal
	write := flags.Has(abifs.DescriptorFlagsWrite) || how.Has(abifs.OpenFlagsTruncate)
	switch {
	case write && (flags.Has(abifs.DescriptorFlagsRead) || !flags.Has(abifs.DescriptorFlagsWrite)):
		out |= os.O_RDWR
	case write:
		out |= os.O_WRONLY
	default:
		out |= os.O_RDONLY
	}
	if how.Has(abifs.OpenFlagsCreate) {
		out |= os.O_CREATE
		if how.Has(abifs.OpenFlagsExclusive) {
			out |= os.O_EXCL
		}
	}
	if how.Has(abifs.OpenFlagsTruncate) {
		out |= os.O_TRUNC
	}
	if how.Has(abifs.OpenFlagsDirectory) {
		out |= onlyFolder
	}
	if flags&(abifs.DescriptorFlagsFileIntegritySync|abifs.DescriptorFlagsDataIntegritySync) != 0 {
		out |= os.O_SYNC
	}
	return out
}
