// Package io implements wasi:io 0.2 (error, poll, streams) and is the toolkit with which the other WASI packages make
// their pollables and streams: anything that can say whether it is ready is a [Source], any io.Reader is an [Input], any
// io.Writer an [Output].
//
// Objects belong to one instance, which serves one call at a time, unless they implement canon.Shared. Whatever blocks
// does so in the guest's goroutine and ends with the call's context: the guest is then trapped.
package io
