package filesystem

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// Descriptor is the resource wasi:filesystem/types.descriptor: a folder or a file.
type Descriptor struct {
	fs    *FS
	flags abifs.DescriptorFlags
	// readOnly tells that a file is of a folder in which nothing may be changed.
	readOnly bool
	// root is the folder, file the file; one of both is set.
	root *os.Root
	file *file
}

var _ abifs.Descriptor = (*Descriptor)(nil)

// file is an open file that a descriptor and its streams share; the last one closes it.
type file struct {
	*os.File
	fs   *FS
	refs atomic.Int32
}

func (f *file) retain() *file {
	f.refs.Add(1)
	return f
}

func (f *file) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.Close()
		f.fs.release()
	}
}

// base gives the Descriptor of a resource, which may be a preopen.
func base(d abifs.Descriptor) (*Descriptor, error) {
	switch d := d.(type) {
	case *Descriptor:
		return d, nil
	case *preopen:
		return &d.Descriptor, nil
	}
	return nil, code(abifs.ErrorCodeBadDescriptor)
}

// folder fails if d is no folder.
func (d *Descriptor) folder() error {
	if d.root == nil {
		return code(abifs.ErrorCodeNotDirectory)
	}
	return nil
}

// changeable fails if d is no folder whose content may be changed.
func (d *Descriptor) changeable() error {
	if err := d.folder(); err != nil {
		return err
	}
	if !d.flags.Has(abifs.DescriptorFlagsMutateDirectory) {
		return code(abifs.ErrorCodeReadOnly)
	}
	return nil
}

// opened gives the file if d is one that was opened for what.
func (d *Descriptor) opened(what abifs.DescriptorFlags) (*file, error) {
	if d.file == nil || !d.flags.Has(what) {
		return nil, code(abifs.ErrorCodeBadDescriptor)
	}
	return d.file, nil
}

// info gives the attributes of what d stands for.
func (d *Descriptor) info() (os.FileInfo, error) {
	if d.root != nil {
		return d.root.Stat(".")
	}
	return d.file.Stat()
}

// infoAt gives the attributes of what is at path.
func (d *Descriptor) infoAt(follow abifs.PathFlags, path string) (os.FileInfo, error) {
	if err := d.folder(); err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	if follow.Has(abifs.PathFlagsSymlinkFollow) {
		return d.root.Stat(path)
	}
	return d.root.Lstat(path)
}

// GetFlags gives what d was opened for.
func (d *Descriptor) GetFlags(context.Context) (abifs.DescriptorFlags, *abifs.ErrorCode) {
	return d.flags, nil
}

// GetType gives the type of what d stands for.
func (d *Descriptor) GetType(context.Context) (abifs.DescriptorType, *abifs.ErrorCode) {
	if d.root != nil {
		return abifs.DescriptorTypeDirectory, nil
	}
	fi, err := d.file.Stat()
	if err != nil {
		return 0, fail(err)
	}
	return typeOf(fi.Mode()), nil
}

// Stat gives the attributes of what d stands for.
func (d *Descriptor) Stat(context.Context) (abifs.DescriptorStat, *abifs.ErrorCode) {
	return statOf(d.info())
}

// StatAt gives the attributes of what is at path.
func (d *Descriptor) StatAt(_ context.Context, follow abifs.PathFlags, path string) (abifs.DescriptorStat, *abifs.ErrorCode) {
	return statOf(d.infoAt(follow, path))
}

// IsSameObject tells whether both descriptors stand for one object of the host's file system.
func (d *Descriptor) IsSameObject(_ context.Context, other abifs.Descriptor) bool {
	o, err := base(other)
	if err != nil {
		return false
	}
	if d == o {
		return true
	}
	a, err := d.info()
	if err != nil {
		return false
	}
	b, err := o.info()
	return err == nil && os.SameFile(a, b)
}

// MetadataHash gives a hash of device, file number, size and time of change of what d stands for.
func (d *Descriptor) MetadataHash(context.Context) (abifs.MetadataHashValue, *abifs.ErrorCode) {
	return d.fs.hash(d.info())
}

// MetadataHashAt is MetadataHash of what is at path.
func (d *Descriptor) MetadataHashAt(_ context.Context, follow abifs.PathFlags, path string) (abifs.MetadataHashValue, *abifs.ErrorCode) {
	return d.fs.hash(d.infoAt(follow, path))
}

// Sync writes data and attributes to disk.
func (d *Descriptor) Sync(context.Context) *abifs.ErrorCode {
	return fail(d.sync((*os.File).Sync))
}

// SyncData writes data to disk.
func (d *Descriptor) SyncData(context.Context) *abifs.ErrorCode { return fail(d.sync(syncData)) }

// sync does nothing for what was not opened for a change.
func (d *Descriptor) sync(do func(*os.File) error) error {
	if d.flags&(abifs.DescriptorFlagsWrite|abifs.DescriptorFlagsMutateDirectory) == 0 {
		return nil
	}
	if d.file != nil {
		return do(d.file.File)
	}
	f, err := openFolder(d.root, ".")
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}

// Drop closes the descriptor; streams of it go on.
func (d *Descriptor) Drop(context.Context) {
	switch {
	case d.file != nil:
		d.file.release()
	case d.root != nil:
		_ = d.root.Close()
		d.fs.release()
	}
}

// typeOf gives a file's type.
func typeOf(m fs.FileMode) abifs.DescriptorType {
	switch {
	case m.IsRegular():
		return abifs.DescriptorTypeRegularFile
	case m.IsDir():
		return abifs.DescriptorTypeDirectory
	case m&fs.ModeSymlink != 0:
		return abifs.DescriptorTypeSymbolicLink
	case m&fs.ModeNamedPipe != 0:
		return abifs.DescriptorTypeFifo
	case m&fs.ModeSocket != 0:
		return abifs.DescriptorTypeSocket
	case m&fs.ModeCharDevice != 0:
		return abifs.DescriptorTypeCharacterDevice
	case m&fs.ModeDevice != 0:
		return abifs.DescriptorTypeBlockDevice
	}
	return abifs.DescriptorTypeUnknown
}

// extra is what os.FileInfo does not tell for all systems. Times are nil where there are none.
type extra struct {
	device, number, links uint64
	accessed, changed     *time.Time
}

func statOf(fi os.FileInfo, err error) (abifs.DescriptorStat, *abifs.ErrorCode) {
	if err != nil {
		return abifs.DescriptorStat{}, fail(err)
	}
	modified, x := fi.ModTime(), extraOf(fi)
	return abifs.DescriptorStat{
		Type:                      typeOf(fi.Mode()),
		LinkCount:                 x.links,
		Size:                      uint64(max(fi.Size(), 0)),
		DataAccessTimestamp:       datetime(x.accessed),
		DataModificationTimestamp: datetime(&modified),
		StatusChangeTimestamp:     datetime(x.changed),
	}, nil
}

// datetime gives the guest's form of t, nil for what it cannot tell.
func datetime(t *time.Time) *abifs.Datetime {
	if t == nil || t.Unix() < 0 {
		return nil
	}
	return &abifs.Datetime{Seconds: uint64(t.Unix()), Nanoseconds: uint32(t.Nanosecond())}
}

func (f *FS) hash(fi os.FileInfo, err error) (abifs.MetadataHashValue, *abifs.ErrorCode) {
	if err != nil {
		return abifs.MetadataHashValue{}, fail(err)
	}
	x := extraOf(fi)
	h := hmac.New(sha256.New, f.hashKey)
	for _, v := range []uint64{x.device, x.number, uint64(fi.Size()), uint64(fi.ModTime().UnixNano()), uint64(fi.Mode().Type())} {
		_ = binary.Write(h, binary.LittleEndian, v) // a hash takes all
	}
	sum := h.Sum(nil)
	return abifs.MetadataHashValue{Lower: binary.LittleEndian.Uint64(sum), Upper: binary.LittleEndian.Uint64(sum[8:])}, nil
}
