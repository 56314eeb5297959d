package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

var all = []string{"PLAIN", "LOGIN"}

// fields are metadata for a server, by STARTTLS.
func fields(t testing.TB, s *testserver.SMTPServer) component.Metadata {
	t.Helper()
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return component.Metadata{
		"host": host, "port": port, "user": s.User, "password": s.Password, "caCert": string(ca), "tlsPolicy": startTLS,
		"emailFrom": "Shop <shop@example.com>", "emailTo": "one@example.com", "subject": "Hello",
	}
}

func tryOpen(t testing.TB, base component.Metadata, change ...string) (*mailer, error) {
	t.Helper()
	metadata := maps.Clone(base)
	for i := 0; i < len(change); i += 2 {
		metadata[change[i]] = change[i+1]
	}
	b, err := Spec.New(t.Context(), component.Config{Name: "mail", Metadata: metadata})
	if err != nil {
		return nil, err
	}
	return b.(*mailer), nil
}

func openMailer(t testing.TB, base component.Metadata, change ...string) *mailer {
	t.Helper()
	m, err := tryOpen(t, base, change...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func request(data string, metadata ...string) *binding.Request {
	r := &binding.Request{Operation: "create", Data: []byte(data), Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

func TestConformance(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	base := fields(t, s)
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openMailer(t, base) }, bindingtest.Caps{
		Operations: []string{"create"},
		Works: []binding.Request{
			*request("x"), *request(""), *request("x", "emailTo", "a@b.example; \"B, C\" <c@d.example>;", "emailCC", "e@f.example", "emailBCC", "g@h.example", "priority", "1"),
			*request("x", "emailTo", "Jörg <joerg@example.com>", "subject", "Grüße ✓"),
		},
		Invalid: []binding.Request{
			*request("x", "emailTo", "nobody"), *request("x", "emailTo", ";"), *request("x", "emailTo", "a@b.example, c@d.example"),
			*request("x", "emailFrom", "a@b.example;c@d.example"), *request("x", "priority", "6"), *request("x", "priority", "high"),
			// A line break could add a header, or a recipient.
			*request("x", "subject", "Hello\r\nBcc: all@example.com"), *request("x", "subject", "Hello\nX: y"),
			*request("x", "emailTo", "a@b.example\r\nBcc: all@example.com"), *request("x", "emailTo", "\"A\r\nBcc: all@example.com\" <a@b.example>"),
			*request("x", "emailTo", "=?utf-8?q?A=0D=0ABcc:_all@example.com?= <a@b.example>"), *request("x", "emailFrom", "a@b.example>\r\nRCPT TO:<all@example.com"),
			*request("x", "emailCC", "a@b.example\x00"), *request("x", "emailBCC", "<a@b.example> NOTIFY=SUCCESS"),
			// The server refuses it for good, and with it the whole mail.
			*request("x", "emailTo", "bad@example.com"), *request("x", "emailTo", "one@example.com;bad@example.com"),
			*request(strings.Repeat("large ", 400_000)),
		},
		Stop: func(testing.TB) { s.Stop() }, Start: func(testing.TB) { s.Start() },
	})
	for _, mail := range s.Mails() {
		if strings.Contains(mail.Data, "all@example.com") || slices.Contains(mail.To, "all@example.com") {
			t.Errorf("a header was injected:\n%+v", mail)
		}
	}
}

func TestMail(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	m := openMailer(t, fields(t, s), "emailCC", "never@example.com")
	html := "<p>Grüße</p>\r\n.\r\n..dots\r\n" + strings.Repeat("long ", 300)
	req := request(html, "emailTo", "One <one@example.com>;two@example.com", "emailCC", "three@example.com", "emailBCC", "four@example.com",
		"subject", "Grüße ✓", "priority", "1", "traceparent", "00-1-2-01")
	if _, err := m.Invoke(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	mails := s.Mails()
	if len(mails) != 1 {
		t.Fatalf("got %d mails, want 1", len(mails))
	}
	got := mails[0]
	if got.From != "shop@example.com" || !got.TLS || got.User != s.User || !slices.Equal(got.To, []string{"one@example.com", "two@example.com", "three@example.com", "four@example.com"}) {
		t.Errorf("envelope: %+v", got)
	}
	msg, err := netmail.ReadMessage(strings.NewReader(got.Data))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From": `"Shop" <shop@example.com>`, "To": `"One" <one@example.com>, <two@example.com>`, "Cc": "<three@example.com>", "Bcc": "",
		"X-Priority": "1", "Content-Type": "text/html; charset=UTF-8", "X-Mailer": "", "User-Agent": "", "Traceparent": "",
	} {
		if have := msg.Header.Get(name); have != want {
			t.Errorf("header %s: got %q, want %q", name, have, want)
		}
	}
	if subject := msg.Header.Get("Subject"); !strings.Contains(subject, "=?UTF-8?") {
		t.Errorf("subject: got %q, want it encoded", subject)
	}
	if _, err := msg.Header.Date(); err != nil || msg.Header.Get("Message-Id") == "" {
		t.Errorf("date and message id: got %v", msg.Header)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil || !bytes.Contains(bytes.ReplaceAll(body, []byte("=\r\n"), nil), []byte("<p>Grüße</p>")) || !bytes.Contains(body, []byte("\r\n.\r\n..dots")) {
		t.Errorf("body: got %q, %v", body, err)
	}
}

func TestBodyFromTheAPI(t *testing.T) {
	for _, test := range []struct {
		data string
		json bool
		want string
	}{
		{`"<p>a\nb</p>"`, true, "<p>a\nb</p>"}, {`{"a":1}`, true, `{"a":1}`}, {`"quoted"`, false, `"quoted"`}, {"plain", false, "plain"}, {"", true, ""},
	} {
		if got := body(&binding.Request{Data: []byte(test.data), JSON: test.json}); got != test.want {
			t.Errorf("%q, JSON %t: got %q, want %q", test.data, test.json, got, test.want)
		}
	}
}

// send sends one mail and tells how it came.
func send(t *testing.T, s *testserver.SMTPServer, m *mailer) (testserver.Mail, error) {
	t.Helper()
	before := len(s.Mails())
	if _, err := m.Invoke(t.Context(), request("x")); err != nil {
		return testserver.Mail{}, err
	}
	mails := s.Mails()
	if len(mails) != before+1 {
		t.Fatalf("got %d mails, want one more than %d", len(mails), before)
	}
	return mails[before], nil
}

func TestSigningIn(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2 PLAIN"} {
		s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: strings.Fields(mechanism)})
		base := fields(t, s)
		if mail, err := send(t, s, openMailer(t, base)); err != nil || mail.User != s.User || !mail.TLS {
			t.Errorf("%s: got %+v, %v; want it from user %s by TLS", mechanism, mail, err, s.User)
		}
		_, err := send(t, s, openMailer(t, base, "password", "planted-secret"))
		if err == nil || !strings.Contains(err.Error(), "check user and password") || errors.Is(err, binding.ErrUnavailable) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: wrong password: got %v, want an error that says so and does not have it", mechanism, err)
		}
		if err := openMailer(t, base).Ping(t.Context()); err != nil {
			t.Errorf("%s: ping: %v", mechanism, err)
		}
	}
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: []string{"XOAUTH2"}})
	if _, err := send(t, s, openMailer(t, fields(t, s))); !errors.Is(err, errNoWay) && (err == nil || !strings.Contains(err.Error(), errNoWay.Error())) {
		t.Errorf("no common mechanism: got %v", err)
	}
	// Nobody signs in where it is not wanted, and the server refuses who does not where it is.
	s = testserver.SMTP(t, testserver.SMTPOptions{})
	if mail, err := send(t, s, openMailer(t, fields(t, s))); err != nil || mail.User != "" {
		t.Errorf("a server without AUTH: got %+v, %v", mail, err)
	}
	s = testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	if _, err := send(t, s, openMailer(t, fields(t, s), "user", "", "password", "")); err == nil || errors.Is(err, binding.ErrInvalid) {
		t.Errorf("without a user: got %v, want an error that is not about the mail", err)
	}
}

func TestWaysToTLS(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all, Open: true})
	plain := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all, Open: true, NoTLS: true})
	_, tlsPort, err := net.SplitHostPort(s.TLSAddr)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		server *testserver.SMTPServer
		change []string
		tls    bool
		want   string // of the error
	}{
		{"implicit", s, []string{"tlsPolicy", implicit, "port", tlsPort}, true, ""},
		{"implicit, unknown authority", s, []string{"tlsPolicy", implicit, "port", tlsPort, "caCert", ""}, false, "not trusted"},
		{"implicit, any certificate", s, []string{"tlsPolicy", implicit, "port", tlsPort, "caCert", "", "skipTLSVerify", "true"}, true, ""},
		{"implicit at a plain port", s, []string{"tlsPolicy", implicit}, false, "does not look like"},
		{"starttls", s, nil, true, ""},
		{"starttls, unknown authority", s, []string{"caCert", ""}, false, "not trusted"},
		{"starttls, any certificate", s, []string{"caCert", "", "skipTLSVerify", "true"}, true, ""},
		{"starttls at a server without", plain, nil, false, "no STARTTLS"},
		{"opportunistic", s, []string{"tlsPolicy", opportunistic}, true, ""},
		{"opportunistic, unknown authority", s, []string{"tlsPolicy", opportunistic, "caCert", ""}, false, "not trusted"},
		{"opportunistic at a server without", plain, []string{"tlsPolicy", opportunistic}, false, ""},
		{"none", s, []string{"tlsPolicy", none}, false, ""},
		{"auto on this machine", s, []string{"tlsPolicy", auto}, true, ""},
		{"auto at a server without, on this machine", plain, []string{"tlsPolicy", auto}, false, ""},
	} {
		mail, err := send(t, test.server, openMailer(t, fields(t, test.server), test.change...))
		switch {
		case test.want == "" && (err != nil || mail.TLS != test.tls || mail.User != test.server.User):
			t.Errorf("%s: got %+v, %v; want TLS %t", test.name, mail, err, test.tls)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want an error that says: %s", test.name, err, test.want)
		}
	}
	for _, test := range []struct {
		s    settings
		want string
	}{
		{settings{Host: "mail.example.com", Port: 465, User: "u"}, implicit},
		{settings{Host: "mail.example.com", Port: 587, User: "u"}, startTLS},
		{settings{Host: "mail.example.com", Port: 25}, opportunistic},
		{settings{Host: "127.0.0.1", Port: 587, User: "u"}, opportunistic},
		{settings{Host: "[::1]", Port: 587, User: "u"}, opportunistic},
		{settings{Host: "localhost", Port: 587, User: "u"}, opportunistic},
	} {
		if got := test.s.automatic(); got != test.want {
			t.Errorf("auto for %s:%d: got %s, want %s", test.s.Host, test.s.Port, got, test.want)
		}
	}
}

func TestServerRefusesForNow(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	m := openMailer(t, fields(t, s))
	_, err := m.Invoke(t.Context(), request("x", "emailTo", "later@example.com"))
	if !errors.Is(err, binding.ErrUnavailable) || !strings.Contains(err.Error(), "try again later") {
		t.Errorf("got %v, want ErrUnavailable with the server's text", err)
	}
	if n := len(s.Mails()); n != 0 {
		t.Errorf("the server has %d mails, want none", n)
	}
}

// A server that says nothing holds up nobody longer than they want.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := testserver.SMTP(t, testserver.SMTPOptions{})
	m := openMailer(t, fields(t, s), "port", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := m.Invoke(ctx, request("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

func TestFaults(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	m := openMailer(t, fields(t, s))
	faulttest.Run(t, s, faulttest.Target{
		Write: func(ctx context.Context, n int) error {
			_, err := m.Invoke(ctx, request("x", "subject", "number "+strconv.Itoa(n)))
			return err
		},
		Arrived: func(context.Context) (map[int]bool, error) {
			got := map[int]bool{}
			for _, mail := range s.Mails() {
				_, rest, _ := strings.Cut(mail.Data, "Subject: number ")
				text, _, _ := strings.Cut(rest, "\r\n")
				n, err := strconv.Atoi(text)
				if err != nil {
					return nil, fmt.Errorf("subject of %q: %w", mail.Data, err)
				}
				got[n] = true
			}
			return got, nil
		},
		Unavailable: func(err error) bool { return errors.Is(err, binding.ErrUnavailable) },
		Credentials: []string{s.Password},
		Bound:       2 * timeout,
	})
}

func TestBadSettings(t *testing.T) {
	base := component.Metadata{"host": "127.0.0.1"}
	for _, test := range []struct {
		change []string
		want   string
	}{
		{[]string{"host", ""}, "host"},
		{[]string{"host", "smtp://shop:planted-secret@mail"}, "host"},
		{[]string{"port", "0"}, "port"},
		{[]string{"port", "smtp"}, "port"},
		{[]string{"user", "u"}, "user and password"},
		{[]string{"password", "planted-secret"}, "user and password"},
		{[]string{"emailFrom", "nobody"}, "emailFrom"},
		{[]string{"emailTo", "a b"}, "emailTo"},
		{[]string{"emailCC", "a@b\nc"}, "emailCC"},
		{[]string{"emailBCC", ";;"}, "emailBCC"},
		{[]string{"subject", "two\nlines"}, "subject"},
		{[]string{"priority", "0"}, "priority"},
		{[]string{"caCert", "x"}, "caCert"},
		{[]string{"tlsPolicy", "perhaps"}, "tlsPolicy"},
		{[]string{"skipTLSVerify", "perhaps"}, "skipTLSVerify"},
	} {
		_, err := tryOpen(t, base, test.change...)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%v: got %v, want a permanent error that names %s and has no credential", test.change, err, test.want)
		}
	}
	for _, f := range component.Fields(&settings{}) {
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
	// What may be missing in the component has to be in the request.
	_, err := openMailer(t, base).Invoke(t.Context(), request("x", "emailTo", "a@b.example"))
	if !errors.Is(err, binding.ErrInvalid) || !strings.Contains(err.Error(), "emailFrom, subject") {
		t.Errorf("got %v, want ErrInvalid that names emailFrom and subject", err)
	}
}

func TestCredentialsAreNotTold(t *testing.T) {
	s := testserver.SMTP(t, testserver.SMTPOptions{Mechanisms: all})
	var told strings.Builder
	metadata := fields(t, s)
	metadata["password"] = "planted-secret"
	open := func(change ...string) binding.Output {
		for i := 0; i < len(change); i += 2 {
			metadata[change[i]] = change[i+1]
		}
		b, err := Spec.New(t.Context(), component.Config{
			Name: "mail", Metadata: metadata, Log: slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.(binding.Output)
	}
	for what, out := range map[string]binding.Output{
		"refused": open(), "not trusted": open("caCert", ""), "down": open("port", strconv.Itoa(testserver.FreePort(t))),
	} {
		_, err := out.Invoke(t.Context(), request("x"))
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); err == nil || strings.Contains(text, "planted") {
			t.Errorf("%s: got %s, want an error without the password", what, text)
		}
	}
	if strings.Contains(told.String(), "planted") {
		t.Errorf("the log has the password:\n%s", told.String())
	}
}
