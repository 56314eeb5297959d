package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctl PAGEMAP_SCAN (Linux 6.7) and its page categories.
const (
	pagemapScan = 0xc0606610

	pageFile    = 1 << 2 // backed by a file, and so not yet written to in a private mapping
	pagePresent = 1 << 3
	pageSwapped = 1 << 4
)

// scanArg is struct pm_scan_arg.
type scanArg struct {
	size, flags                                  uint64
	start, end, walkEnd                          uint64
	vec, vecLen, maxPages                        uint64
	inverted, categories, anyOf, returnedCategry uint64
}

// scanRegion is struct page_region.
type scanRegion struct{ start, end, categories uint64 }

// scanBuffer is what one scan needs. It lives on the heap, which does not move: the kernel gets its address.
type scanBuffer struct {
	arg     scanArg
	regions [128]scanRegion
}

// scanTracker asks the kernel for the dirty pages only.
type scanTracker struct {
	faultCounter
	pagemap *os.File
	buffers sync.Pool
}

// faultCounter counts the process's page faults, if exact is set.
type faultCounter struct{ exact bool }

func (c *faultCounter) faults() (n int64, ok bool) {
	var usage unix.Rusage
	if !c.exact || unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0, false
	}
	return int64(usage.Minflt) + int64(usage.Majflt), true //nolint:unconvert // they are smaller on systems of 32 bits
}

// try finds out whether the system counts the fault of each first write to a page of a mapped image.
func (c *faultCounter) try(region []byte, pages []uint64) {
	c.exact = true
	for _, p := range pages {
		before, ok := c.faults()
		region[p*uint64(os.Getpagesize())] = 1
		after, _ := c.faults()
		if !ok || after <= before {
			c.exact = false
			return
		}
	}
}

func (t *scanTracker) dirty(region []byte, f func(off, n uint64)) error {
	if len(region) == 0 {
		return nil
	}
	b, ok := t.buffers.Get().(*scanBuffer)
	if !ok {
		b = new(scanBuffer)
	}
	defer t.buffers.Put(b)
	base := uint64(uintptr(unsafe.Pointer(&region[0])))
	end := base + uint64(len(region))
	for start := base; start < end; {
		// Dirty pages are those in memory or swapped out that are not the file's any more.
		b.arg = scanArg{
			size: uint64(unsafe.Sizeof(b.arg)), start: start, end: end,
			vec: uint64(uintptr(unsafe.Pointer(&b.regions[0]))), vecLen: uint64(len(b.regions)),
			inverted: pageFile, categories: pageFile, anyOf: pagePresent | pageSwapped, returnedCategry: pagePresent,
		}
		n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, t.pagemap.Fd(), pagemapScan, uintptr(unsafe.Pointer(&b.arg)))
		if errno != 0 {
			return fmt.Errorf("PAGEMAP_SCAN: %w", errno)
		}
		for _, r := range b.regions[:n] {
			f(r.start-base, r.end-r.start)
		}
		if b.arg.walkEnd <= start {
			return fmt.Errorf("PAGEMAP_SCAN stopped at %#x before %#x", start, end)
		}
		start = b.arg.walkEnd
	}
	return nil
}

func (t *scanTracker) close() error { return t.pagemap.Close() }

// The bits of an entry of /proc/self/pagemap.
const (
	entrySize    = 8
	entryFile    = 1 << 61
	entrySwapped = 1 << 62
	entryPresent = 1 << 63
)

// readTracker reads the state of every page, for kernels without PAGEMAP_SCAN.
type readTracker struct {
	faultCounter
	pagemap  *os.File
	pageSize uint64
	buffers  sync.Pool
}

func (t *readTracker) dirty(region []byte, f func(off, n uint64)) error {
	if len(region) == 0 {
		return nil
	}
	b, ok := t.buffers.Get().(*[16 << 10]byte)
	if !ok {
		b = new([16 << 10]byte)
	}
	defer t.buffers.Put(b)
	base := uint64(uintptr(unsafe.Pointer(&region[0])))
	pages := uint64(len(region)) / t.pageSize
	start, length := uint64(0), uint64(0)
	for page := uint64(0); page < pages; {
		n := min(pages-page, uint64(len(b))/entrySize)
		if _, err := t.pagemap.ReadAt(b[:n*entrySize], int64((base/t.pageSize+page)*entrySize)); err != nil {
			return fmt.Errorf("read the page map: %w", err)
		}
		for k := range n {
			e := binary.NativeEndian.Uint64(b[k*entrySize:])
			if e&entryFile != 0 || e&(entryPresent|entrySwapped) == 0 {
				continue
			}
			at := (page + k) * t.pageSize
			if length > 0 && start+length != at {
				f(start, length)
				length = 0
			}
			if length == 0 {
				start = at
			}
			length += t.pageSize
		}
		page += n
	}
	if length > 0 {
		f(start, length)
	}
	return nil
}

func (t *readTracker) close() error { return t.pagemap.Close() }

// newTracker finds out which tracker works on this system; scan says whether PAGEMAP_SCAN may be used. The error says
// why none does.
func newTracker(scan bool) (tracker, error) {
	if unsafe.Sizeof(uintptr(0)) < 8 {
		return nil, fmt.Errorf("want addresses of 64 bits, found %d", 8*unsafe.Sizeof(uintptr(0)))
	}
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	candidates := []linuxTracker{&readTracker{pagemap: pagemap, pageSize: uint64(os.Getpagesize())}}
	if scan {
		candidates = append([]linuxTracker{&scanTracker{pagemap: pagemap}}, candidates...)
	}
	for _, t := range candidates {
		if err = tryTracker(t); err == nil {
			return t, nil
		}
	}
	_ = pagemap.Close()
	return nil, err
}

// linuxTracker is a tracker whose count of faults is to be tried.
type linuxTracker interface {
	tracker
	try(region []byte, pages []uint64)
}

// tryTracker maps an image, writes to some of its pages, and looks whether the tracker finds them.
func tryTracker(t linuxTracker) error {
	page := uint64(os.Getpagesize())
	const pages, written = 8, 3
	img, err := newMappedImage(make([]byte, pages*page), 2*pages*page)
	if err != nil {
		return err
	}
	defer img.close()
	s := newSlots(2*pages*page, 1, newSlotBudget(1))
	defer s.close()
	region, err := s.take(img)
	if err != nil {
		return err
	}
	if region[5*page] != 0 { // reading does not make a page dirty
		return errors.New("a mapped image is not what was written")
	}
	t.try(region, []uint64{written, pages + 1})
	var found []uint64
	if err := t.dirty(region, func(off, n uint64) { found = append(found, off/page, n/page) }); err != nil {
		return err
	}
	if len(found) != 4 || found[0] != written || found[1] != 1 || found[2] != pages+1 || found[3] != 1 {
		return fmt.Errorf("the page map does not tell written pages: want pages %d and %d, found %v", written, pages+1, found)
	}
	return s.give(region)
}

// discardZeroes tells that discarded memory reads as zero, or as the file mapped there.
const discardZeroes = true

// discard gives the pages of b back to the system.
func discard(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return syscall.Madvise(b, syscall.MADV_DONTNEED)
}
