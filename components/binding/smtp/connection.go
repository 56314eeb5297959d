package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"
	mailsmtp "github.com/wneessen/go-mail/smtp"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// timeout is how long sending one mail may take.
const timeout = 30 * time.Second

// connection is one to the server, signed in.
type connection struct{ *mailsmtp.Client }

// with connects, does something and says good-bye.
func (m *mailer) with(ctx context.Context, work func(*connection) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.s.addr())
	if err != nil {
		return err
	}
	// The client library knows no context: it ends when the connection is closed.
	end := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		end()
		_ = conn.Close()
	}()
	c, err := m.open(ctx, conn)
	if err == nil {
		err = work(c)
	}
	if err == nil {
		_ = c.Quit() // what was to be done is done
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// open greets the server, begins TLS and signs in.
func (m *mailer) open(ctx context.Context, conn net.Conn) (*connection, error) {
	config, err := m.s.tls()
	if err != nil {
		return nil, err
	}
	if m.s.Policy == implicit {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	client, err := mailsmtp.NewClient(conn, m.s.Host)
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	if err := client.Hello(name); err != nil {
		return nil, err
	}
	if m.s.Policy == startTLS || m.s.Policy == opportunistic {
		has, _ := client.Extension("STARTTLS")
		if !has && m.s.Policy == startTLS {
			return nil, errNoTLS
		}
		if has {
			if err := client.StartTLS(config); err != nil {
				return nil, err
			}
		}
	}
	return &connection{client}, m.signIn(client)
}

var (
	errNoTLS = errors.New("the mail server has no STARTTLS, without which the password would go in the open; set tlsPolicy to implicit if the port is one for TLS, or to opportunistic if the way to the server is safe")
	errNoWay = errors.New("the mail server offers no way to sign in that this driver has (SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, CRAM-MD5)")
)

// signIn does nothing at a server that wants nobody to sign in, as in Dapr.
func (m *mailer) signIn(client *mailsmtp.Client) error {
	has, list := client.Extension("AUTH")
	if m.s.User == "" || !has {
		return nil
	}
	mechanisms := strings.Fields(strings.ToUpper(list))
	// Where there is no TLS, the settings allow that.
	for _, way := range []struct {
		name string
		auth mailsmtp.Auth
	}{
		{"SCRAM-SHA-256", mailsmtp.ScramSHA256Auth(m.s.User, m.s.Password)},
		{"SCRAM-SHA-1", mailsmtp.ScramSHA1Auth(m.s.User, m.s.Password)},
		{"PLAIN", mailsmtp.PlainAuth("", m.s.User, m.s.Password, m.s.Host, true)},
		{"LOGIN", mailsmtp.LoginAuth(m.s.User, m.s.Password, m.s.Host, true)},
		{"CRAM-MD5", mailsmtp.CRAMMD5Auth(m.s.User, m.s.Password)},
	} {
		if slices.Contains(mechanisms, way.name) {
			err := client.Auth(way.auth)
			if err != nil && !network(err) {
				err = &signInError{err}
			}
			return err
		}
	}
	return errNoWay
}

// network tells whether an error says that the connection is lost.
func network(err error) bool {
	_, is := errors.AsType[net.Error](err)
	return is || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// signInError says that the server did not take the credentials.
type signInError struct{ err error }

// Error says what to do.
func (e *signInError) Error() string {
	return "signing in failed; check user and password: " + e.err.Error()
}

// Unwrap gives the server's answer.
func (e *signInError) Unwrap() error { return e.err }

// send sends one mail; no error means that the server has it.
func (c *connection) send(msg *mail.Msg) error {
	client, err := mail.NewClient("unused", mail.WithTimeout(timeout), mail.WithoutNoop(), mail.WithoutRset())
	if err != nil {
		return err
	}
	if err := client.SendWithSMTPClient(c.Client, msg); err != nil && !msg.IsDelivered() {
		return err
	}
	return nil
}

// failure says what kind of error it is, without what the libraries' errors hold.
func (m *mailer) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	where := "mail server " + m.s.addr()
	text := m.redact(err.Error())
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return fmt.Errorf("%s has a certificate that is not trusted; check host and caCert: %s", where, text)
	}
	_, sign := errors.AsType[*signInError](err)
	sent, refused := errors.AsType[*mail.SendError](err)
	answer, answered := errors.AsType[*textproto.Error](err)
	switch {
	case refused && sent.ErrorCode() >= 500 && (sent.ErrorCode() == 530 || sent.EnhancedStatusCode() == "5.7.0"):
		return fmt.Errorf("%s takes mails only of those who sign in; check user and password: %s", where, text)
	case refused && sent.ErrorCode() >= 500:
		return fmt.Errorf("%w: %s refuses the mail: %s", binding.ErrInvalid, where, text)
	case answered && answer.Code >= 500, sign && !answered, errors.Is(err, errNoTLS), errors.Is(err, errNoWay):
		return fmt.Errorf("%s: %s", where, text)
	default:
		return fmt.Errorf("%w: %s: %s", binding.ErrUnavailable, where, text)
	}
}

// redact takes the password out of a text, also as it goes to the server: it may answer with what it got.
func (m *mailer) redact(text string) string {
	if m.s.Password == "" {
		return text
	}
	for _, secret := range []string{m.s.Password, "\x00" + m.s.User + "\x00" + m.s.Password} {
		text = strings.ReplaceAll(text, secret, "…")
		text = strings.ReplaceAll(text, base64.StdEncoding.EncodeToString([]byte(secret)), "…")
	}
	return text
}
