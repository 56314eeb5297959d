//go:build race

package engine_test

// raceEnabled tells that the tests run under the race detector, where everything takes ten times as long.
const raceEnabled = true
