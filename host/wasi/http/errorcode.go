package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"syscall"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// DeniedError says that a request is not allowed; the guest gets HTTP-request-denied.
type DeniedError struct {
	// Reason says what is not allowed and what to do. It is for logs: the error code has no text.
	Reason string
}

// Error gives the reason.
func (e *DeniedError) Error() string { return e.Reason }

// streamError is what the streams of bodies fail with.
type streamError struct {
	code *abihttp.ErrorCode
	err  error
}

// Error gives the error that happened.
func (e *streamError) Error() string { return e.err.Error() }

// Unwrap gives the error that happened.
func (e *streamError) Unwrap() error { return e.err }

// inStream makes the error of a body's stream.
func inStream(code *abihttp.ErrorCode, err error) error {
	if code == nil {
		code = codeOf(err)
	}
	return &streamError{code, err}
}

// HTTPErrorCode gives the error code of a stream's error, nil if it is not one of HTTP.
func (h *Host) HTTPErrorCode(_ context.Context, err abiio.Error) *abihttp.ErrorCode {
	cause := wasiio.Cause(err)
	if s, ok := errors.AsType[*streamError](cause); ok {
		return s.code
	}
	if code, ok := errors.AsType[*abihttp.ErrorCode](cause); ok {
		return code
	}
	return nil
}

// code makes an error code without payload.
func code(tag abihttp.ErrorCodeTag) *abihttp.ErrorCode { return &abihttp.ErrorCode{Tag: tag} }

// internal makes an internal-error.
func internal(text string) *abihttp.ErrorCode {
	return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeInternalError, InternalError: &text}
}

// codeOf gives the error code of what went wrong between this host and a server.
func codeOf(err error) *abihttp.ErrorCode {
	if s, ok := errors.AsType[*streamError](err); ok {
		return s.code
	}
	if c, ok := errors.AsType[*abihttp.ErrorCode](err); ok {
		return c
	}
	if _, ok := errors.AsType[*DeniedError](err); ok {
		return code(abihttp.ErrorCodeHTTPRequestDenied)
	}
	for _, of := range [...]func(error) *abihttp.ErrorCode{codeOfName, codeOfTLS, codeOfNet, codeOfHTTP} {
		if c := of(err); c != nil {
			return c
		}
	}
	return internal(err.Error())
}

// codeOfName is for name resolution.
func codeOfName(err error) *abihttp.ErrorCode {
	dns, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return nil
	}
	rcode := "SERVFAIL"
	switch {
	case dns.IsTimeout:
		return code(abihttp.ErrorCodeDNSTimeout)
	case dns.IsNotFound:
		rcode = "NXDOMAIN"
	}
	return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeDNSError, DNSError: abihttp.DNSErrorPayload{Rcode: &rcode}}
}

// codeOfTLS is for handshakes.
func codeOfTLS(err error) *abihttp.ErrorCode {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return alert(op.Err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || isX509(err) {
		return code(abihttp.ErrorCodeTLSCertificateError)
	}
	if a, ok := errors.AsType[tls.AlertError](err); ok {
		return alert(a)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.HasPrefix(root(err).Error(), "tls: ") {
		return code(abihttp.ErrorCodeTLSProtocolError)
	}
	return nil
}

// alert is what the other side sent; crypto/tls has its number in a type that it does not export.
func alert(err error) *abihttp.ErrorCode {
	text := err.Error()
	p := abihttp.TLSAlertReceivedPayload{AlertMessage: &text}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Uint8 {
		id := uint8(v.Uint()) //nolint:gosec // of kind uint8
		p.AlertID = &id
	}
	return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeTLSAlertReceived, TLSAlertReceived: p}
}

func isX509(err error) bool {
	_, a := errors.AsType[x509.UnknownAuthorityError](err)
	_, b := errors.AsType[x509.HostnameError](err)
	_, c := errors.AsType[x509.CertificateInvalidError](err)
	return a || b || c
}

// root is the innermost error.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// byErrno are the errors of the system that have a code of their own.
var byErrno = [...]struct {
	errno syscall.Errno
	tag   abihttp.ErrorCodeTag
}{
	{syscall.ECONNREFUSED, abihttp.ErrorCodeConnectionRefused},
	{syscall.ECONNRESET, abihttp.ErrorCodeConnectionTerminated},
	{syscall.ECONNABORTED, abihttp.ErrorCodeConnectionTerminated},
	{syscall.EPIPE, abihttp.ErrorCodeConnectionTerminated},
	{syscall.ETIMEDOUT, abihttp.ErrorCodeConnectionTimeout},
	{syscall.EHOSTUNREACH, abihttp.ErrorCodeDestinationIPUnroutable},
	{syscall.ENETUNREACH, abihttp.ErrorCodeDestinationIPUnroutable},
	{syscall.EADDRNOTAVAIL, abihttp.ErrorCodeDestinationIPUnroutable},
	{syscall.EMFILE, abihttp.ErrorCodeConnectionLimitReached},
	{syscall.ENFILE, abihttp.ErrorCodeConnectionLimitReached},
}

// codeOfNet is for connections.
func codeOfNet(err error) *abihttp.ErrorCode {
	for _, e := range byErrno {
		if errors.Is(err, e.errno) {
			return code(e.tag)
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		op, _ := errors.AsType[*net.OpError](err)
		switch {
		case op != nil && op.Op == "dial":
			return code(abihttp.ErrorCodeConnectionTimeout)
		case op != nil && op.Op == "write":
			return code(abihttp.ErrorCodeConnectionWriteTimeout)
		case op != nil && op.Op == "read":
			return code(abihttp.ErrorCodeConnectionReadTimeout)
		default:
			return code(abihttp.ErrorCodeHTTPResponseTimeout)
		}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return code(abihttp.ErrorCodeConnectionTerminated)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return code(abihttp.ErrorCodeHTTPResponseIncomplete)
	}
	return nil
}

// codeOfHTTP is for what net/http makes of the server's answer. It has types for few of its errors.
func codeOfHTTP(err error) *abihttp.ErrorCode {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return code(abihttp.ErrorCodeHTTPRequestBodySize)
	}
	text := root(err).Error()
	switch {
	case strings.Contains(text, "server's response headers exceeded"), strings.Contains(text, "server response headers exceeded"),
		strings.Contains(text, "response header list larger"):
		return code(abihttp.ErrorCodeHTTPResponseHeaderSectionSize)
	case strings.Contains(text, "unsupported transfer encoding"), strings.Contains(text, "too many transfer encodings"):
		return code(abihttp.ErrorCodeHTTPResponseTransferCoding)
	case strings.Contains(text, "server closed"), strings.Contains(text, "connection broken"), strings.Contains(text, "use of closed"):
		return code(abihttp.ErrorCodeConnectionTerminated)
	case strings.Contains(text, "malformed"), strings.Contains(text, "http2:"), strings.Contains(text, "stream error"),
		strings.Contains(text, "server gave HTTP response to HTTPS client"), strings.Contains(text, "bad Content-Length"),
		strings.Contains(text, "invalid byte in chunk length"):
		return code(abihttp.ErrorCodeHTTPProtocolError)
	}
	return nil
}

// statusOf is what a client gets that asked a guest which answered with an error code.
func statusOf(c *abihttp.ErrorCode) int {
	switch c.Tag {
	case abihttp.ErrorCodeDNSTimeout, abihttp.ErrorCodeConnectionTimeout, abihttp.ErrorCodeConnectionReadTimeout,
		abihttp.ErrorCodeConnectionWriteTimeout, abihttp.ErrorCodeHTTPResponseTimeout:
		return http.StatusGatewayTimeout
	case abihttp.ErrorCodeDNSError, abihttp.ErrorCodeDestinationNotFound, abihttp.ErrorCodeDestinationIPProhibited,
		abihttp.ErrorCodeDestinationIPUnroutable, abihttp.ErrorCodeConnectionRefused, abihttp.ErrorCodeConnectionTerminated,
		abihttp.ErrorCodeTLSProtocolError, abihttp.ErrorCodeTLSCertificateError, abihttp.ErrorCodeTLSAlertReceived,
		abihttp.ErrorCodeHTTPResponseIncomplete, abihttp.ErrorCodeHTTPResponseHeaderSectionSize,
		abihttp.ErrorCodeHTTPResponseHeaderSize, abihttp.ErrorCodeHTTPResponseBodySize,
		abihttp.ErrorCodeHTTPResponseTrailerSectionSize, abihttp.ErrorCodeHTTPResponseTrailerSize,
		abihttp.ErrorCodeHTTPResponseTransferCoding, abihttp.ErrorCodeHTTPResponseContentCoding,
		abihttp.ErrorCodeHTTPUpgradeFailed, abihttp.ErrorCodeHTTPProtocolError:
		return http.StatusBadGateway
	case abihttp.ErrorCodeDestinationUnavailable, abihttp.ErrorCodeConnectionLimitReached:
		return http.StatusServiceUnavailable
	case abihttp.ErrorCodeLoopDetected:
		return http.StatusLoopDetected
	default:
		return statusOfRequest(c)
	}
}

// statusOfRequest is statusOf for what is wrong with the request.
func statusOfRequest(c *abihttp.ErrorCode) int {
	switch c.Tag {
	case abihttp.ErrorCodeHTTPRequestDenied:
		return http.StatusForbidden
	case abihttp.ErrorCodeHTTPRequestLengthRequired:
		return http.StatusLengthRequired
	case abihttp.ErrorCodeHTTPRequestBodySize:
		return http.StatusRequestEntityTooLarge
	case abihttp.ErrorCodeHTTPRequestMethodInvalid:
		return http.StatusMethodNotAllowed
	case abihttp.ErrorCodeHTTPRequestURIInvalid:
		return http.StatusBadRequest
	case abihttp.ErrorCodeHTTPRequestURITooLong:
		return http.StatusRequestURITooLong
	case abihttp.ErrorCodeHTTPRequestHeaderSectionSize, abihttp.ErrorCodeHTTPRequestHeaderSize,
		abihttp.ErrorCodeHTTPRequestTrailerSectionSize, abihttp.ErrorCodeHTTPRequestTrailerSize:
		return http.StatusRequestHeaderFieldsTooLarge
	default:
		return http.StatusInternalServerError
	}
}
