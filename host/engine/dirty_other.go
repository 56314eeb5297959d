//go:build !linux

package engine

import "errors"

var errNoImages = errors.New("this system has no sealed memory files and no map of written pages")

// newTracker fails: images are copied on this system.
func newTracker(bool) (tracker, error) { return nil, errNoImages }

const discardZeroes = false

func discard([]byte) error { return errNoImages }
