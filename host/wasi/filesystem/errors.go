package filesystem

import (
	"errors"
	"io/fs"
	"syscall"

	abifs "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
)

// escapes is the text of os.Root's error for a path that leads out of the root; it has no exported value.
const escapes = "path escapes from parent"

// notDirectory is the text of os.Root.OpenRoot's error for a file.
const notDirectory = "not a directory"

// code makes a Go error of c.
func code(c abifs.ErrorCode) error { return &c }

// fail gives the guest's code of err, nil for none.
func fail(err error) *abifs.ErrorCode {
	if err == nil {
		return nil
	}
	c := codeOf(err)
	return &c
}

// codes are the codes of system errors.
var codes = []struct {
	errno syscall.Errno
	code  abifs.ErrorCode
}{
	{syscall.EACCES, abifs.ErrorCodeAccess},
	{syscall.EAGAIN, abifs.ErrorCodeWouldBlock},
	{syscall.EALREADY, abifs.ErrorCodeAlready},
	{syscall.EBADF, abifs.ErrorCodeBadDescriptor},
	{syscall.EBUSY, abifs.ErrorCodeBusy},
	{syscall.EDEADLK, abifs.ErrorCodeDeadlock},
	{syscall.EDQUOT, abifs.ErrorCodeQuota},
	{syscall.EEXIST, abifs.ErrorCodeExist},
	{syscall.EFBIG, abifs.ErrorCodeFileTooLarge},
	{syscall.EILSEQ, abifs.ErrorCodeIllegalByteSequence},
	{syscall.EINPROGRESS, abifs.ErrorCodeInProgress},
	{syscall.EINTR, abifs.ErrorCodeInterrupted},
	{syscall.EINVAL, abifs.ErrorCodeInvalid},
	{syscall.EIO, abifs.ErrorCodeIO},
	{syscall.EISDIR, abifs.ErrorCodeIsDirectory},
	{syscall.ELOOP, abifs.ErrorCodeLoop},
	{syscall.EMFILE, abifs.ErrorCodeInsufficientMemory},
	{syscall.EMLINK, abifs.ErrorCodeTooManyLinks},
	{syscall.EMSGSIZE, abifs.ErrorCodeMessageSize},
	{syscall.ENAMETOOLONG, abifs.ErrorCodeNameTooLong},
	{syscall.ENFILE, abifs.ErrorCodeInsufficientMemory},
	{syscall.ENODEV, abifs.ErrorCodeNoDevice},
	{syscall.ENOENT, abifs.ErrorCodeNoEntry},
	{syscall.ENOLCK, abifs.ErrorCodeNoLock},
	{syscall.ENOMEM, abifs.ErrorCodeInsufficientMemory},
	{syscall.ENOSPC, abifs.ErrorCodeInsufficientSpace},
	{syscall.ENOSYS, abifs.ErrorCodeUnsupported},
	{syscall.ENOTDIR, abifs.ErrorCodeNotDirectory},
	{syscall.ENOTEMPTY, abifs.ErrorCodeNotEmpty},
	{syscall.ENOTRECOVERABLE, abifs.ErrorCodeNotRecoverable},
	{syscall.ENOTSUP, abifs.ErrorCodeUnsupported},
	{syscall.ENOTTY, abifs.ErrorCodeNoTty},
	{syscall.ENXIO, abifs.ErrorCodeNoSuchDevice},
	{syscall.EOPNOTSUPP, abifs.ErrorCodeUnsupported},
	{syscall.EOVERFLOW, abifs.ErrorCodeOverflow},
	{syscall.EPERM, abifs.ErrorCodeNotPermitted},
	{syscall.EPIPE, abifs.ErrorCodePipe},
	{syscall.EROFS, abifs.ErrorCodeReadOnly},
	{syscall.ESPIPE, abifs.ErrorCodeInvalidSeek},
	{syscall.ETXTBSY, abifs.ErrorCodeTextFileBusy},
	{syscall.EXDEV, abifs.ErrorCodeCrossDevice},
}

// codeOf gives the guest's code of err: io for what has none.
func codeOf(err error) abifs.ErrorCode {
	var known *abifs.ErrorCode
	if errors.As(err, &known) {
		return *known
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		for _, c := range codes {
			if c.errno == errno {
				return c.code
			}
		}
	}
	inner := err
	for next := inner; next != nil; next = errors.Unwrap(next) {
		inner = next
	}
	switch inner.Error() {
	case escapes:
		return abifs.ErrorCodeNotPermitted
	case notDirectory:
		return abifs.ErrorCodeNotDirectory
	}
	return general(err)
}

// general gives the code of an error that the os package tells in its own way.
func general(err error) abifs.ErrorCode {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return abifs.ErrorCodeNoEntry
	case errors.Is(err, fs.ErrExist):
		return abifs.ErrorCodeExist
	case errors.Is(err, fs.ErrPermission):
		return abifs.ErrorCodeAccess
	case errors.Is(err, fs.ErrInvalid):
		return abifs.ErrorCodeInvalid
	case errors.Is(err, fs.ErrClosed):
		return abifs.ErrorCodeBadDescriptor
	}
	return abifs.ErrorCodeIO
}

// streamFault is the error of a file's stream, by which filesystem-error-code knows it.
type streamFault struct{ err error }

// Error gives the code and nothing of the host's paths.
func (f *streamFault) Error() string { return codeOf(f.err).String() }
