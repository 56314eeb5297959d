//go:build !linux

package rewritetest

import "time"

var epoch = time.Now()

// cpuTime is the time on the wall where a thread's own is not to be had.
func cpuTime() time.Duration { return time.Since(epoch) }
