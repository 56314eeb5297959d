package rabbitconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

var (
	errClosed  = errors.New("the connection is closed for good")
	errLost    = errors.New("the connection was lost before the server had confirmed the message, which it may have or not")
	errRefused = errors.New("the server has refused to take the message (basic.nack): a queue is full or in trouble")
	errNowhere = errors.New("the server has given the message back: there is no queue for it")
	errTime    = errors.New("the server does not answer in time")
)

// downError says that there is no connection now.
type downError struct {
	where string
	err   error
}

// Error says where and why.
func (e *downError) Error() string {
	return fmt.Sprintf("RabbitMQ server %s cannot be reached: %v", e.where, e.err)
}

// Unwrap gives the cause.
func (e *downError) Unwrap() error { return e.err }

// blockedError says that the server takes no messages for now.
type blockedError struct{ reason string }

// Error gives the server's reason.
func (e *blockedError) Error() string {
	return "the RabbitMQ server takes no messages until it has resources again: " + e.reason
}

// Unreachable tells whether err means that the server did not take the command, or that its answer was lost, and that it
// may do better later. A timeout may also be the caller's own: look at ctx.Err() first.
func Unreachable(err error) bool {
	if _, down := errors.AsType[*downError](err); down {
		return true
	}
	if _, blocked := errors.AsType[*blockedError](err); blocked {
		return true
	}
	for _, target := range []error{
		errClosed, errLost, errRefused, errNowhere, errTime, amqp.ErrClosed, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	if _, network := errors.AsType[net.Error](err); network {
		return true
	}
	if reply, ok := errors.AsType[*amqp.Error](err); ok {
		switch reply.Code {
		case amqp.ConnectionForced, amqp.FrameError, amqp.ChannelError, amqp.ResourceError, amqp.InternalError:
			return true
		}
		return isDown(reply)
	}
	return false
}

// isDown tells whether a refusal is that of a server which is just starting or stopping.
func isDown(reply *amqp.Error) bool { return strings.Contains(reply.Reason, "down") }

// Explain adds to a refusal of the server what to do about it. what is the thing that was declared or used.
func Explain(what string, err error) error {
	reply, ok := errors.AsType[*amqp.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch reply.Code {
	case amqp.PreconditionFailed:
		return fmt.Errorf("%s: exists with other settings, or the settings are not valid; make them those of the component, or delete what there is: %w", what, err)
	case amqp.AccessRefused:
		return fmt.Errorf("%s: the user has no permission, or the name is reserved for the server: %w", what, err)
	case amqp.ResourceLocked:
		return fmt.Errorf("%s: is exclusive to another connection: %w", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// explain says what to do about a connection that could not be opened at the start.
func (o *Options) explain(err error) error {
	where := "RabbitMQ server " + o.where()
	if reply, ok := errors.AsType[*amqp.Error](err); ok && !isDown(reply) {
		switch reply.Code {
		case amqp.AccessRefused:
			return component.Permanent(fmt.Errorf("%s refuses the credentials; check user and password in %s, or the certificate with saslExternal: %w", where, o.Field, err))
		case amqp.NotAllowed, amqp.NotFound, amqp.InvalidPath:
			return component.Permanent(fmt.Errorf("%s refuses the virtual host, which is the path in %s: %w", where, o.Field, err))
		}
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return component.Permanent(fmt.Errorf("%s has a certificate that is not trusted; check caCert and the host's name: %w", where, err))
	}
	return fmt.Errorf("%s does not answer; check %s and that the server runs: %w", where, o.Field, err)
}
