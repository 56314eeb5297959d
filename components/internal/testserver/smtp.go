package testserver

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"
)

// SMTPOptions say what a mail server has.
type SMTPOptions struct {
	// Mechanisms are the ways to sign in; nil wants nobody to.
	Mechanisms []string
	// Open takes passwords without TLS.
	Open bool
	// NoTLS leaves out STARTTLS.
	NoTLS bool
}

// Mail is a mail that the server has taken.
type Mail struct {
	From string
	To   []string
	// Data is the header and the body.
	Data string
	// User is who has signed in; empty if nobody has.
	User string
	// TLS tells that it came by TLS.
	TLS bool
}

// SMTPServer is a mail server in this process. It refuses mails to bad@… for good and mails to later@… for now, and answers
// to wrong passwords with what it got.
type SMTPServer struct {
	// Addr takes plain connections, TLSAddr such by TLS; both are host:port.
	Addr, TLSAddr string
	// User and Password are those of its one user.
	User, Password string
	// CAFile has the certificate of the authority of the server's own one, PEM.
	CAFile string

	t      testing.TB
	o      SMTPOptions
	config *tls.Config
	stop   func()

	mu    sync.Mutex
	mails []Mail
}

// SMTP runs a mail server.
func SMTP(t testing.TB, o SMTPOptions) *SMTPServer {
	t.Helper()
	ports := freePorts(t, 2)
	ca, cert, key := certificates(t, "localhost")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &SMTPServer{
		Addr: loopback(ports[0]), TLSAddr: loopback(ports[1]), User: "shop", Password: "sesame-" + rand.Text(), CAFile: ca,
		t: t, o: o, config: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}},
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start runs the server again on the same ports after Stop.
func (s *SMTPServer) Start() {
	s.t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "localhost", s.o.Open, true
	server.MaxMessageBytes, server.MaxLineLength = 1<<20, 4096
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.ErrorLog = silent{}
	if !s.o.NoTLS {
		server.TLSConfig = s.config
	}
	var serving sync.WaitGroup
	var listeners []net.Listener
	for _, addr := range []string{s.Addr, s.TLSAddr} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			s.t.Fatal(err)
		}
		if addr == s.TLSAddr {
			l = tls.NewListener(l, s.config)
		}
		listeners = append(listeners, l)
		serving.Go(func() { _ = server.Serve(l) }) // it ends with the listener
	}
	s.stop = sync.OnceFunc(func() {
		for _, l := range listeners {
			_ = l.Close()
		}
		serving.Wait()
		_ = server.Close() // the listeners are closed twice
	})
}

type silent struct{}

func (silent) Printf(string, ...any) {}

func (silent) Println(...any) {}

// Stop ends the server; clients see their connections closed.
func (s *SMTPServer) Stop() { s.stop() }

// Mails are those that the server has taken until now.
func (s *SMTPServer) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

func (s *SMTPServer) session(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	session := &smtpSession{s: s, mail: Mail{TLS: secure}}
	if s.o.Mechanisms == nil {
		return session, nil
	}
	return &authSession{session}, nil
}

// smtpSession is one connection.
type smtpSession struct {
	s    *SMTPServer
	mail Mail
}

func (c *smtpSession) Reset() { c.mail.From, c.mail.To = "", nil }

func (c *smtpSession) Logout() error { return nil }

func (c *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if c.s.o.Mechanisms != nil && c.mail.User == "" {
		return smtp.ErrAuthRequired
	}
	c.mail.From = from
	return nil
}

func (c *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch name, _, _ := strings.Cut(to, "@"); name {
	case "bad":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case "later":
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	}
	c.mail.To = append(c.mail.To, to)
	return nil
}

func (c *smtpSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	mail := c.mail
	mail.Data, mail.To = string(data), slices.Clone(mail.To)
	c.s.mails = append(c.s.mails, mail)
	return nil
}

// authSession is one at a server that wants its clients to sign in.
type authSession struct{ *smtpSession }

func (c *authSession) AuthMechanisms() []string { return c.s.o.Mechanisms }

func (c *authSession) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return c.check(user, password) }), nil
	case "LOGIN":
		return &loginServer{c: c}, nil
	case "CRAM-MD5":
		return &cramServer{c: c}, nil
	case "SCRAM-SHA-1":
		return c.scram(scram.SHA1)
	case "SCRAM-SHA-256":
		return c.scram(scram.SHA256)
	default:
		return nil, smtp.ErrAuthUnknownMechanism
	}
}

func (c *authSession) check(user, password string) error {
	if user != c.s.User || password != c.s.Password {
		return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "not the password of " + user + ": " + password}
	}
	c.mail.User = user
	return nil
}

// loginServer asks for user and password in the clear.
type loginServer struct {
	c    *authSession
	step int
	user string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	default:
		return nil, true, l.c.check(l.user, string(response))
	}
}

// cramServer wants a digest with the password (RFC 2195).
type cramServer struct {
	c         *authSession
	challenge string
}

func (s *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.challenge == "" {
		s.challenge = "<" + rand.Text() + "@localhost>"
		return []byte(s.challenge), false, nil
	}
	mac := hmac.New(md5.New, []byte(s.c.s.Password))
	mac.Write([]byte(s.challenge))
	password := "wrong"
	if string(response) == s.c.s.User+" "+hex.EncodeToString(mac.Sum(nil)) {
		password = s.c.s.Password
	}
	return nil, true, s.c.check(s.c.s.User, password)
}

// scramServer wants a proof of the password and gives one (RFC 5802).
type scramServer struct {
	c    *authSession
	conv *scram.ServerConversation
}

func (c *authSession) scram(hash scram.HashGeneratorFcn) (sasl.Server, error) {
	client, err := hash.NewClient(c.s.User, c.s.Password, "")
	if err != nil {
		return nil, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of tests", Iters: 4096})
	if err != nil {
		return nil, err
	}
	server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != c.s.User {
			return scram.StoredCredentials{}, errors.New("no such user")
		}
		return stored, nil
	})
	if err != nil {
		return nil, err
	}
	return &scramServer{c, server.NewConversation()}, nil
}

func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if s.conv.Done() { // the client has seen our proof
		return nil, true, s.c.check(s.c.s.User, s.c.s.Password)
	}
	text, err := s.conv.Step(string(response))
	if err != nil {
		return nil, true, s.c.check(s.c.s.User, "wrong")
	}
	return []byte(text), false, nil
}
