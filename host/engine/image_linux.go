package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// imageFile is a sealed file in memory, as long as a slot: the image and then a hole.
type imageFile struct{ f *os.File }

func newMappedImage(memory []byte, slotSize uint64) (*image, error) {
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "guest")
	view, err := fillImage(f, memory, slotSize)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make an image of %d bytes: %w", len(memory), err), f.Close())
	}
	return &image{bytes: view, file: &imageFile{f: f}}, nil
}

// fillImage writes the pages that are not zero, seals the file and maps it for reading.
func fillImage(f *os.File, memory []byte, slotSize uint64) ([]byte, error) {
	if err := f.Truncate(int64(slotSize)); err != nil {
		return nil, err
	}
	page := os.Getpagesize()
	zero := make([]byte, page)
	for off := 0; off < len(memory); off += page {
		p := memory[off:min(off+page, len(memory))]
		if bytes.Equal(p, zero[:len(p)]) {
			continue
		}
		if _, err := f.WriteAt(p, int64(off)); err != nil {
			return nil, err
		}
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal it: %w", err)
	}
	if len(memory) == 0 {
		return nil, nil
	}
	return syscall.Mmap(int(f.Fd()), 0, len(memory), syscall.PROT_READ, syscall.MAP_SHARED)
}

// close unmaps the view. Mappings of instances stay valid.
func (i *imageFile) close(view []byte) {
	if view != nil {
		_ = syscall.Munmap(view)
	}
	_ = i.f.Close()
}
