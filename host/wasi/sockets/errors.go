package sockets

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// byErrno are the errors of the system that have a code of their own.
var byErrno = [...]struct {
	errno syscall.Errno
	code  abisockets.ErrorCode
}{
	{syscall.EACCES, abisockets.ErrorCodeAccessDenied},
	{syscall.EPERM, abisockets.ErrorCodeAccessDenied},
	{syscall.EOPNOTSUPP, abisockets.ErrorCodeNotSupported},
	{syscall.EAFNOSUPPORT, abisockets.ErrorCodeNotSupported},
	{syscall.EPROTONOSUPPORT, abisockets.ErrorCodeNotSupported},
	{syscall.EINVAL, abisockets.ErrorCodeInvalidArgument},
	{syscall.ENOMEM, abisockets.ErrorCodeOutOfMemory},
	{syscall.ENOBUFS, abisockets.ErrorCodeOutOfMemory},
	{syscall.ETIMEDOUT, abisockets.ErrorCodeTimeout},
	{syscall.EMFILE, abisockets.ErrorCodeNewSocketLimit},
	{syscall.ENFILE, abisockets.ErrorCodeNewSocketLimit},
	{syscall.EADDRNOTAVAIL, abisockets.ErrorCodeAddressNotBindable},
	{syscall.EADDRINUSE, abisockets.ErrorCodeAddressInUse},
	{syscall.EHOSTUNREACH, abisockets.ErrorCodeRemoteUnreachable},
	{syscall.ENETUNREACH, abisockets.ErrorCodeRemoteUnreachable},
	{syscall.ENETDOWN, abisockets.ErrorCodeRemoteUnreachable},
	{syscall.ECONNREFUSED, abisockets.ErrorCodeConnectionRefused},
	{syscall.ECONNRESET, abisockets.ErrorCodeConnectionReset},
	{syscall.EPIPE, abisockets.ErrorCodeConnectionReset},
	{syscall.ECONNABORTED, abisockets.ErrorCodeConnectionAborted},
	{syscall.EMSGSIZE, abisockets.ErrorCodeDatagramTooLarge},
}

// codeOf gives the error code of what package net gives.
func codeOf(err error) *abisockets.ErrorCode {
	for _, e := range byErrno {
		if errors.Is(err, e.errno) {
			return new(e.code)
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return codeOfName(dns)
	}
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return new(abisockets.ErrorCodeTimeout)
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF):
		return new(abisockets.ErrorCodeConnectionAborted)
	default:
		return new(abisockets.ErrorCodeUnknown)
	}
}

// codeOfConnect is codeOf for connecting: no address to connect from means that all are in use.
func codeOfConnect(err error) *abisockets.ErrorCode {
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return new(abisockets.ErrorCodeAddressInUse)
	}
	return codeOf(err)
}

func codeOfName(err *net.DNSError) *abisockets.ErrorCode {
	switch {
	case err.IsNotFound:
		return new(abisockets.ErrorCodeNameUnresolvable)
	case err.IsTimeout, err.IsTemporary:
		return new(abisockets.ErrorCodeTemporaryResolverFailure)
	default:
		return new(abisockets.ErrorCodePermanentResolverFailure)
	}
}

// streamError is what the streams of connections fail with.
type streamError struct{ err error }

// Error gives the error that happened.
func (e *streamError) Error() string { return e.err.Error() }

// Unwrap gives the error that happened.
func (e *streamError) Unwrap() error { return e.err }

// NetworkErrorCode gives the error code of a stream's error, nil if it is not one of a socket.
func (h *Host) NetworkErrorCode(_ context.Context, err abisockets.Error) *abisockets.ErrorCode {
	if s, ok := errors.AsType[*streamError](wasiio.Cause(err)); ok {
		return codeOf(s.err)
	}
	return nil
}
