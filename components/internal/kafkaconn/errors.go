package kafkaconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kind is what a driver has to know of an error.
type Kind int

// The kinds of errors.
const (
	// Other errors are none of the following.
	Other Kind = iota
	// Unavailable: the servers do not answer now, or cannot do it now.
	Unavailable
	// BadTopic: no topic may have this name, or there is none and the servers do not make it.
	BadTopic
	// BadRequest: the message or its metadata are not what Kafka takes.
	BadRequest
)

// failure is an error with its kind.
type failure struct {
	kind Kind
	err  error
}

// Error is the text of the error within.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap gives the error within.
func (f *failure) Unwrap() error { return f.err }

func badTopic(format string, args ...any) error {
	return &failure{BadTopic, fmt.Errorf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &failure{BadRequest, fmt.Errorf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return &failure{Unavailable, fmt.Errorf(format, args...)}
}

// KindOf gives the kind of an error of this package.
func KindOf(err error) Kind {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.kind
	}
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge), errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp):
		return BadRequest
	case errors.Is(err, kerr.InvalidTopicException), errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return BadTopic
	case unreachable(err):
		return Unavailable
	}
	return Other
}

// unreachable tells whether err means that no server took the request or that its answer was lost. A timeout may also be
// the caller's own: look at ctx.Err() first.
func unreachable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	for _, target := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded,
		kgo.ErrRecordTimeout, kgo.ErrRecordRetries, kgo.ErrMaxBuffered, kgo.ErrAborting, kgo.ErrClientClosed,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if token, ok := errors.AsType[*tokenError](err); ok {
		return !token.refused
	}
	// A broker that comes or goes, or a client that has just lost its connection.
	return kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err)
}

// refused tells whether err means that the servers do not take the credentials or the certificate, or that theirs is
// not trusted: what waiting does not mend.
func refused(err error) bool {
	for _, target := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState} {
		if errors.Is(err, target) {
			return true
		}
	}
	if token, ok := errors.AsType[*tokenError](err); ok {
		return token.refused
	}
	return untrusted(err)
}

// untrusted tells whether the certificate of a server is not accepted here, or ours not there.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // an alert by which TLS ends
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}
