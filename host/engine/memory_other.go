//go:build !(linux || darwin || freebsd)

package engine

import "errors"

// reserve fails: on this system memories live on the Go heap.
func reserve(uint64) ([]byte, error) {
	return nil, errors.New("memory cannot be reserved on this system")
}

func unreserve([]byte) error { return nil }
