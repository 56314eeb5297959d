package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory gives the available and the whole memory in bytes: those of the system, or of the control group (cgroup v2, as
// it is mounted in containers) if that has less.
func memory() (available, total int64, ok bool) {
	available, total, ok = systemMemory("/proc/meminfo")
	if a, t, limited := groupMemory("/sys/fs/cgroup"); limited && (!ok || t < total) {
		return a, t, true
	}
	return available, total, ok
}

func systemMemory(file string) (available, total int64, ok bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, false
	}
	for line := range bytes.Lines(data) {
		name, rest, _ := strings.Cut(string(line), ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "MemTotal":
			total = kib << 10
		case "MemAvailable":
			available = kib << 10
		}
	}
	return available, total, available > 0 && total > 0
}

func groupMemory(dir string) (available, total int64, ok bool) {
	total, okMax := number(filepath.Join(dir, "memory.max"))
	used, okUsed := number(filepath.Join(dir, "memory.current"))
	if !okMax || !okUsed {
		return 0, 0, false // no limit, or no control group
	}
	// What only caches files can be had at any time.
	if stat, err := os.ReadFile(filepath.Join(dir, "memory.stat")); err == nil {
		for line := range bytes.Lines(stat) {
			if n, isCache := strings.CutPrefix(strings.TrimSpace(string(line)), "inactive_file "); isCache {
				if cached, err := strconv.ParseInt(n, 10, 64); err == nil {
					used = max(used-cached, 0)
				}
			}
		}
	}
	return max(total-used, 0), total, true
}

func number(file string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}
