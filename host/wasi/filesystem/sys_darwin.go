package filesystem

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// rootOf makes a root of the open folder f, which is at path in parent.
func rootOf(f *os.File, parent *os.Root, path string) (*os.Root, error) {
	return openSame(f, parent, path)
}

func extraOf(fi os.FileInfo) extra {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return extra{}
	}
	accessed, changed := time.Unix(st.Atimespec.Unix()), time.Unix(st.Ctimespec.Unix())
	return extra{device: uint64(st.Dev), number: st.Ino, links: uint64(st.Nlink), accessed: &accessed, changed: &changed}
}

// syncData writes a file's data to disk.
func syncData(f *os.File) error { return f.Sync() }

// advise does nothing: advice may be ignored.
func advise(*os.File, int64, int64, abifs.Advice) error { return nil }

// appendTo writes p to the file's end.
func appendTo(f *os.File, p []byte) error { return appendAtSize(f, p) }

// setTimes sets the times of an open file, to the microsecond.
func setTimes(f *os.File, times [2]stamp) error {
	return withFD(f, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		old := [2]unix.Timespec{st.Atim, st.Mtim}
		tv := make([]unix.Timeval, len(times))
		for i, t := range times {
			tv[i] = unix.NsecToTimeval(nanoseconds(t, old[i]))
		}
		return unix.Futimes(fd, tv)
	})
}

// setTimes sets the times of what has the name, links not followed.
func (p *place) setTimes(times [2]stamp) error {
	return withFD(p.parent, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		old := [2]unix.Timespec{st.Atim, st.Mtim}
		ts := make([]unix.Timespec, len(times))
		for i, t := range times {
			ts[i] = unix.NsecToTimespec(nanoseconds(t, old[i]))
		}
		return unix.UtimesNanoAt(fd, p.name, ts, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// nanoseconds gives the time that t means where old is what there is.
func nanoseconds(t stamp, old unix.Timespec) int64 {
	switch {
	case t.keep:
		return old.Nano()
	case t.now:
		return time.Now().UnixNano()
	}
	return t.at.UnixNano()
}
