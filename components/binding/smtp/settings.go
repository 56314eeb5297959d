package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// settings are the metadata fields.
type settings struct {
	Host       string `metadata:"host,required" doc:"name or address of the SMTP server"`
	Port       int64  `metadata:"port" default:"587" doc:"port of the server: 587 and 25 are plain at first, 465 is by TLS"`
	User       string `metadata:"user" doc:"user at the server, with password"`
	Password   string `metadata:"password,secret" doc:"password of the user"`
	SkipVerify bool   `metadata:"skipTLSVerify" default:"false" doc:"accept any certificate of the server; for tests only"`
	CA         string `metadata:"caCert" doc:"certificates of the authorities to trust, PEM; default those of the system"`
	Policy     string `metadata:"tlsPolicy" default:"auto" doc:"implicit for TLS from the first byte, starttls to insist on STARTTLS, opportunistic to use STARTTLS if the server has it, none for no TLS. auto is implicit on port 465; else starttls with a user, but for a server on this machine; else opportunistic"`
	From       string `metadata:"emailFrom" doc:"sender of mails whose request names none"`
	To         string `metadata:"emailTo" doc:"recipients of mails whose request names none, separated by semicolons"`
	CC         string `metadata:"emailCC" doc:"recipients of copies of mails whose request names none, separated by semicolons"`
	BCC        string `metadata:"emailBCC" doc:"recipients that others do not see, of mails whose request names none, separated by semicolons"`
	Subject    string `metadata:"subject" doc:"subject of mails whose request has none"`
	Priority   int64  `metadata:"priority" default:"3" doc:"1 (highest) to 5 (lowest), as header X-Priority"`
}

const (
	firstPriority = 1
	lastPriority  = 5
)

// The ways to TLS.
const (
	auto          = "auto"
	implicit      = "implicit"
	startTLS      = "starttls"
	opportunistic = "opportunistic"
	none          = "none"
)

// check completes the settings; the error lists all that is wrong.
func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if strings.ContainsAny(s.Host, "/@ \t\r\n") { // not quoted: it may have a password
		bad("metadata field host: want a name or an address, without scheme, user and path")
	}
	if s.Port < 1 || s.Port > 65535 {
		bad("metadata field port: want 1 to 65535, found %d", s.Port)
	}
	if (s.User == "") != (s.Password == "") {
		bad("metadata fields user and password: want both or none")
	}
	if _, err := s.headers(); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.tls(); err != nil {
		errs = append(errs, err)
	}
	if all := []string{auto, implicit, startTLS, opportunistic, none}; !slices.Contains(all, s.Policy) {
		bad("metadata field tlsPolicy: want %s, found %q", strings.Join(all, ", "), s.Policy)
	}
	if s.Policy == auto {
		s.Policy = s.automatic()
	}
	return errors.Join(errs...)
}

func (s *settings) automatic() string {
	switch {
	case s.Port == 465:
		return implicit
	case s.User != "" && !s.local():
		return startTLS
	default:
		return opportunistic
	}
}

func (s *settings) addr() string {
	return net.JoinHostPort(strings.Trim(s.Host, "[]"), strconv.FormatInt(s.Port, 10))
}

// local tells whether the server is on this machine.
func (s *settings) local() bool {
	ip := net.ParseIP(strings.Trim(s.Host, "[]"))
	return strings.EqualFold(s.Host, "localhost") || ip != nil && ip.IsLoopback()
}

func (s *settings) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: strings.Trim(s.Host, "[]"), InsecureSkipVerify: s.SkipVerify}
	if s.CA == "" {
		return cfg, nil
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, errors.New("metadata field caCert: want certificates in PEM, found none")
	}
	return cfg, nil
}
