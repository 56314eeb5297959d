package filesystem

import (
	"context"
	"math"
	"time"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// stamp is a time to be set: keep leaves what there is, else now or at.
type stamp struct {
	keep, now bool
	at        time.Time
}

// stampsOf checks what a guest wants to be set: time of access and of modification.
func stampsOf(in ...abifs.NewTimestamp) ([2]stamp, error) {
	var out [2]stamp
	for i, t := range in {
		switch t.Tag {
		case abifs.NewTimestampNow:
			out[i].now = true
		case abifs.NewTimestampTimestamp:
			if t.Value.Nanoseconds >= uint32(time.Second) {
				return out, code(abifs.ErrorCodeInvalid)
			}
			if t.Value.Seconds > math.MaxInt64/uint64(time.Second) {
				return out, code(abifs.ErrorCodeOverflow)
			}
			out[i].at = time.Unix(int64(t.Value.Seconds), int64(t.Value.Nanoseconds))
		default:
			out[i].keep = true
		}
	}
	return out, nil
}

// SetTimes sets the times of what d stands for.
func (d *Descriptor) SetTimes(_ context.Context, access, modification abifs.NewTimestamp) *abifs.ErrorCode {
	times, err := stampsOf(access, modification)
	if err != nil {
		return fail(err)
	}
	if d.file != nil {
		if d.readOnly {
			return fail(code(abifs.ErrorCodeReadOnly))
		}
		return fail(setTimes(d.file.File, times))
	}
	if err := d.changeable(); err != nil {
		return fail(err)
	}
	return fail(d.setFolderTimes(".", times))
}

// setFolderTimes sets the times of the folder at path.
func (d *Descriptor) setFolderTimes(path string, times [2]stamp) error {
	f, err := openFolder(d.root, path)
	if err != nil {
		return err
	}
	defer f.Close()
	return setTimes(f, times)
}

// SetTimesAt sets the times of what is at path.
func (d *Descriptor) SetTimesAt(_ context.Context, follow abifs.PathFlags, path string, access, modification abifs.NewTimestamp) *abifs.ErrorCode {
	if err := d.changeable(); err != nil {
		return fail(err)
	}
	times, err := stampsOf(access, modification)
	if err != nil {
		return fail(err)
	}
	return fail(d.setTimesAt(follow, path, times))
}

func (d *Descriptor) setTimesAt(follow abifs.PathFlags, path string, times [2]stamp) error {
	if err := checkPath(path); err != nil {
		return err
	}
	// A path that ends with a slash or dots is a folder, links followed.
	if _, name, slash := split(path); slash || dots(name) {
		return d.setFolderTimes(path, times)
	}
	find := d.find
	if follow.Has(abifs.PathFlagsSymlinkFollow) {
		if fi, err := d.root.Stat(path); err == nil && fi.IsDir() {
			return d.setFolderTimes(path, times)
		}
		find = d.findTarget
	}
	p, err := find(path, abifs.ErrorCodeInvalid)
	if err != nil {
		return err
	}
	defer p.close()
	return p.setTimes(times)
}
