// Package schedule is what blocks know of time. It reads Dapr's forms of due times and periods ([ParseDue],
// [ParsePeriod], [ParseTTL]), works out when something that repeats is due next ([Recurrence]), keeps entries that
// survive the process ([Store]) and fires them ([Scheduler]), and keeps timers in memory ([Timers]).
//
// An entry that sleeps costs its storage and nothing else; a timer costs its memory. Neither has a goroutine or a
// system timer of its own. What fires, and what that means, is for the caller: the package knows no block.
package schedule
