//go:build linux || darwin || freebsd

package engine

import (
	"errors"
	"syscall"
)

// reserve maps size bytes of zeroed memory that take space only when touched.
func reserve(size uint64) ([]byte, error) {
	if size == 0 || uint64(int(size)) != size {
		return nil, errors.New("size cannot be reserved")
	}
	return syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
}

func unreserve(region []byte) error { return syscall.Munmap(region) }
