// Package rabbitconn is what the drivers on RabbitMQ share: how a connection is opened and opened again, how messages
// are published so that the server has them for sure, and how a queue is read. It knows nothing about topics or bindings.
package rabbitconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Certificates are the metadata fields of TLS, which drivers embed.
type Certificates struct {
	CA   string `metadata:"caCert" doc:"certificates of the authorities to trust, PEM; default those of the system. Needs amqps://"`
	Cert string `metadata:"clientCert,secret" doc:"client certificate, PEM, with clientKey. Needs amqps://"`
	Key  string `metadata:"clientKey,secret" doc:"key of the client certificate, PEM"`
}

// Options say how to connect.
type Options struct {
	// URL is amqp://user:password@host:port/vhost, or amqps://. Field is the metadata field that it is from, for errors.
	URL, Field string
	Certificates
	// External tells that the server knows the user by the client certificate (SASL EXTERNAL).
	External bool
	// Name is the connection's name at the server.
	Name string
	// Heartbeat is how often both sides show that they are there.
	Heartbeat time.Duration
	// ReconnectWait is the longest pause between two attempts to connect.
	ReconnectWait time.Duration
	Log           *slog.Logger
}

// bad says what is wrong with the URL without quoting it: it may have a password.
func (o *Options) bad(what string) error {
	return fmt.Errorf("metadata field %s: want amqp://user:password@host:port/vhost or amqps://…, with special characters percent-encoded; %s", o.Field, what)
}

// parse checks the URL.
func (o *Options) parse() (amqp.URI, error) {
	uri, err := amqp.ParseURI(o.URL)
	if err != nil {
		return uri, o.bad("what is there cannot be read as such")
	}
	if uri.Port < 1 || uri.Port > 65535 {
		return uri, o.bad("what is there has no valid port")
	}
	return uri, nil
}

// Check tells whether a connection can be tried; the error lists all that is wrong.
func (o *Options) Check() error {
	var errs []error
	uri, err := o.parse()
	if err != nil {
		errs = append(errs, err)
	}
	if err == nil && uri.Scheme != "amqps" && (o.CA != "" || o.Cert != "" || o.Key != "") {
		errs = append(errs, fmt.Errorf("metadata fields caCert, clientCert and clientKey: need TLS: amqps:// in %s", o.Field))
	}
	if o.External && (o.CA == "" || o.Cert == "" || o.Key == "") {
		errs = append(errs, errors.New("metadata field saslExternal (externalSasl): needs caCert, clientCert and clientKey"))
	}
	if _, err := o.tls(); err != nil {
		errs = append(errs, err)
	}
	if o.Heartbeat < time.Second || o.Heartbeat > time.Hour {
		errs = append(errs, fmt.Errorf("metadata field heartBeat: want 1s to 1h, found %s", o.Heartbeat))
	}
	if o.ReconnectWait < 0 {
		errs = append(errs, fmt.Errorf("the time to wait before connecting again: want 0s or more, found %s", o.ReconnectWait))
	}
	return errors.Join(errs...)
}

// tls is nil where the client library's own settings, which the URL may have too, are right.
func (o *Options) tls() (*tls.Config, error) {
	if o.CA == "" && o.Cert == "" && o.Key == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, errors.New("metadata field caCert: want certificates in PEM, found none")
		}
	}
	if o.Cert == "" && o.Key == "" {
		return cfg, nil
	}
	pair, err := tls.X509KeyPair([]byte(o.Cert), []byte(o.Key))
	if err != nil {
		return nil, fmt.Errorf("metadata fields clientCert and clientKey: want a certificate and its key in PEM: %w", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// where is the server without credentials.
func (o *Options) where() string {
	uri, err := o.parse()
	if err != nil {
		return "an address that cannot be read"
	}
	return net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
}

// redact takes the password out of an error; no error should have it, but they come from far away.
func (o *Options) redact(err error) error {
	u, parseErr := url.Parse(o.URL)
	if err == nil || parseErr != nil || u.User == nil {
		return err
	}
	password, _ := u.User.Password()
	if password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "…"))
}
