//go:build !race

package enginetest

// raceEnabled tells whether the test is built with the race detector, which slows compilation down.
const raceEnabled = false
