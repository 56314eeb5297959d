// Package fake is the host of actors in native builds: actors of the same process with turns, chains of calls,
// transactions, timers and reminders, for tests of apps. In guests it is empty.
package fake
