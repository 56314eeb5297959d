package filesystem

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// rootOf makes a root of the open folder f, which is at path in parent.
func rootOf(f *os.File, parent *os.Root, path string) (*os.Root, error) {
	var root *os.Root
	err := withFD(f, func(fd int) error {
		var err error
		root, err = os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd))
		return err
	})
	if errors.Is(err, os.ErrNotExist) { // no /proc
		return openSame(f, parent, path)
	}
	return root, err
}

func extraOf(fi os.FileInfo) extra {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return extra{}
	}
	accessed, changed := time.Unix(st.Atim.Unix()), time.Unix(st.Ctim.Unix())
	//nolint:unconvert // the types differ from processor to processor
	return extra{device: uint64(st.Dev), number: st.Ino, links: uint64(st.Nlink), accessed: &accessed, changed: &changed}
}

// syncData writes a file's data to disk.
func syncData(f *os.File) error { return withFD(f, unix.Fdatasync) }

// advise passes on how a file will be used.
func advise(f *os.File, offset, length int64, advice abifs.Advice) error {
	var a int
	switch advice {
	case abifs.AdviceSequential:
		a = unix.FADV_SEQUENTIAL
	case abifs.AdviceRandom:
		a = unix.FADV_RANDOM
	case abifs.AdviceWillNeed:
		a = unix.FADV_WILLNEED
	case abifs.AdviceDontNeed:
		a = unix.FADV_DONTNEED
	case abifs.AdviceNoReuse:
		a = unix.FADV_NOREUSE
	default:
		a = unix.FADV_NORMAL
	}
	return withFD(f, func(fd int) error { return unix.Fadvise(fd, offset, length, a) })
}

// appendTo writes p to the file's end, in one go with finding it.
func appendTo(f *os.File, p []byte) error {
	for len(p) > 0 {
		var n int
		err := withFD(f, func(fd int) error {
			var err error
			n, err = unix.Pwritev2(fd, [][]byte{p}, 0, unix.RWF_APPEND)
			return err
		})
		switch {
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EOPNOTSUPP):
			return appendAtSize(f, p)
		case err != nil:
			return err
		case n == 0:
			return io.ErrShortWrite
		}
		p = p[n:]
	}
	return nil
}

func timespecs(times [2]stamp) []unix.Timespec {
	out := make([]unix.Timespec, len(times))
	for i, t := range times {
		switch {
		case t.keep:
			out[i].Nsec = unix.UTIME_OMIT
		case t.now:
			out[i].Nsec = unix.UTIME_NOW
		default:
			out[i] = unix.NsecToTimespec(t.at.UnixNano())
		}
	}
	return out
}

// setTimes sets the times of an open file.
func setTimes(f *os.File, times [2]stamp) error {
	return withFD(f, func(fd int) error {
		err := unix.UtimesNanoAt(fd, "", timespecs(times), unix.AT_EMPTY_PATH)
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOENT) { // before Linux 5.8
			err = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), timespecs(times), 0)
		}
		return err
	})
}

// setTimes sets the times of what has the name, links not followed.
func (p *place) setTimes(times [2]stamp) error {
	return withFD(p.parent, func(fd int) error {
		return unix.UtimesNanoAt(fd, p.name, timespecs(times), unix.AT_SYMLINK_NOFOLLOW)
	})
}
