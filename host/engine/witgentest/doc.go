// Package witgentest has the tests that run generated glue through a real guest: every WIT value type from the host
// into a guest, from there to a host function, and back the whole way.
package witgentest
