// Package smtp is the driver bindings.smtp: e-mails by an SMTP server. Each mail has a connection of its own, so nothing
// waits for a server that is away until somebody sends.
package smtp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strconv"
	"strings"

	mail "github.com/wneessen/go-mail"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.smtp",
	Doc: `E-mails by an SMTP server.

Operation create sends one, with the data as its HTML body. The request's metadata emailFrom, emailTo, emailCC, emailBCC,
subject and priority take the place of the component's. A mail goes to all recipients or, if the server refuses one of
them, to none.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, component.Permanent(err)
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if s.SkipVerify {
		log.Warn("metadata skipTLSVerify: the mail server's certificate is not checked; whoever is on the way can read mails and password")
	}
	return &mailer{s: s, log: log, slots: make(chan struct{}, maxConnections)}, nil
}

// maxConnections bounds the mails that are sent at once: servers refuse those who open many connections.
const maxConnections = 10

type mailer struct {
	s     *settings
	log   *slog.Logger
	slots chan struct{} // one element for each connection
}

var (
	_ binding.Binding = (*mailer)(nil)
	_ binding.Output  = (*mailer)(nil)
	_ binding.Pinger  = (*mailer)(nil)
)

// Operations lists what Invoke takes.
func (m *mailer) Operations() []string { return []string{"create"} }

func (m *mailer) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if req.Operation != "create" {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: m.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	msg, err := m.s.message(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", binding.ErrInvalid, err)
	}
	return nil, m.failure(ctx, m.with(ctx, func(c *connection) error { return c.send(msg) }))
}

// message makes the mail of a request.
func (s *settings) message(req *binding.Request) (*mail.Msg, error) {
	merged := *s
	meta := component.Metadata(req.Metadata)
	for name, field := range map[string]*string{
		"emailFrom": &merged.From, "emailTo": &merged.To, "emailCC": &merged.CC, "emailBCC": &merged.BCC, "subject": &merged.Subject,
	} {
		if v, _ := meta.Get(name); v != "" {
			*field = v
		}
	}
	if v, _ := meta.Get("priority"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("metadata priority: want %d to %d, found %q", firstPriority, lastPriority, v)
		}
		merged.Priority = n
	}
	var missing []string
	for _, f := range []struct{ name, value string }{{"emailFrom", merged.From}, {"emailTo", merged.To}, {"subject", merged.Subject}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("metadata %s: is missing in the request and in the component", strings.Join(missing, ", "))
	}
	headers, err := merged.headers()
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.SetAddrHeaderFromMailAddress(mail.HeaderFrom, headers.from...)
	msg.SetAddrHeaderFromMailAddress(mail.HeaderTo, headers.to...)
	msg.SetAddrHeaderFromMailAddress(mail.HeaderCc, headers.cc...)
	msg.SetAddrHeaderFromMailAddress(mail.HeaderBcc, headers.bcc...)
	msg.Subject(merged.Subject)
	msg.SetGenHeader(mail.HeaderXPriority, strconv.FormatInt(merged.Priority, 10))
	msg.SetDate()
	msg.SetMessageID()
	msg.SetBodyString(mail.TypeTextHTML, body(req))
	return msg, nil
}

// body is the text of a mail: what the HTTP API gets as a JSON text is the text.
func body(req *binding.Request) string {
	var text string
	if req.JSON && json.Unmarshal(req.Data, &text) == nil {
		return text
	}
	return string(req.Data)
}

// headers are the checked addresses of a mail.
type headers struct{ from, to, cc, bcc []*netmail.Address }

// headers checks what becomes part of a mail's header; the error lists all that is wrong.
func (s *settings) headers() (headers, error) {
	var h headers
	var errs []error
	for _, f := range []struct {
		name, value string
		to          *[]*netmail.Address
	}{{"emailFrom", s.From, &h.from}, {"emailTo", s.To, &h.to}, {"emailCC", s.CC, &h.cc}, {"emailBCC", s.BCC, &h.bcc}} {
		list, err := addresses(f.value)
		if err != nil {
			errs = append(errs, fmt.Errorf("metadata %s: %w", f.name, err))
		}
		*f.to = list
	}
	if len(h.from) > 1 {
		errs = append(errs, fmt.Errorf("metadata emailFrom: want one address, found %d", len(h.from)))
	}
	if strings.ContainsAny(s.Subject, "\r\n\x00") {
		errs = append(errs, errors.New("metadata subject: want one line"))
	}
	if s.Priority < firstPriority || s.Priority > lastPriority {
		errs = append(errs, fmt.Errorf("metadata priority: want %d to %d, found %d", firstPriority, lastPriority, s.Priority))
	}
	return h, errors.Join(errs...)
}

// addresses reads a list of addresses, separated by semicolons.
func addresses(list string) ([]*netmail.Address, error) {
	var out []*netmail.Address
	for text := range strings.SplitSeq(list, ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		// A line break could begin a header of its own.
		a, err := netmail.ParseAddress(text)
		if err != nil || strings.ContainsAny(text, "\r\n\x00") || strings.ContainsAny(a.Name+a.Address, "\r\n\x00") {
			return nil, fmt.Errorf("want name@host or Name <name@host>, several separated by semicolons; found %.100q", text)
		}
		out = append(out, a)
	}
	if len(out) == 0 && list != "" {
		return nil, errors.New("want at least one address, found none")
	}
	return out, nil
}

// Ping connects to the server and signs in.
func (m *mailer) Ping(ctx context.Context) error {
	return m.failure(ctx, m.with(ctx, func(c *connection) error { return c.Noop() }))
}

// Close does nothing: every mail closes its own connection.
func (m *mailer) Close(context.Context) error { return nil }
