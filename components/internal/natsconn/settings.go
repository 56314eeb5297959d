// Package natsconn is what the drivers on NATS share: the metadata fields of a connection, and how one is opened,
// watched and closed. It knows nothing about state, topics or any other use.
package natsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Settings are the metadata fields of a connection: Dapr's, and further ways to log in. A driver embeds them in its own
// struct:
//
//	type settings struct {
//		natsconn.Settings
//		Subject string `metadata:"subject" ...`
//	}
type Settings struct {
	URL         string `metadata:"natsURL" alias:"url" doc:"servers as nats://host:port, several separated by commas; without it the embedded server is used"`
	Name        string `metadata:"name" doc:"name of the connection at the server; default mrt-wasm and the component's name"`
	Token       string `metadata:"token,secret" doc:"authentication by token"`
	User        string `metadata:"username" doc:"authentication by user, with password"`
	Password    string `metadata:"password,secret" doc:"password of the user"`
	JWT         string `metadata:"jwt,secret" doc:"authentication by a user's JWT, with seedKey"`
	Seed        string `metadata:"seedKey,secret" doc:"seed of the user's nkey, with jwt"`
	Credentials string `metadata:"credentialsFile" doc:"path of a file with JWT and seed, as nsc writes it"`
	RootCA      string `metadata:"tls_ca_cert" doc:"authorities to trust instead of the system's, as PEM or the path of a file"`
	ClientCert  string `metadata:"tls_client_cert" doc:"client certificate as PEM or the path of a file, with tls_client_key"`
	ClientKey   string `metadata:"tls_client_key,secret" doc:"key of the client certificate as PEM or the path of a file"`
}

// Check gives all that is wrong with the settings.
func (s *Settings) Check() error {
	var errs []error
	for _, pair := range []struct{ a, b, names string }{
		{s.JWT, s.Seed, "jwt and seedKey"},
		{s.User, s.Password, "username and password"},
		{s.ClientCert, s.ClientKey, "tls_client_cert and tls_client_key"},
	} {
		if (pair.a == "") != (pair.b == "") {
			errs = append(errs, fmt.Errorf("metadata fields %s: want both or none", pair.names))
		}
	}
	return errors.Join(errs...)
}

// options gives the connection's options.
func (s *Settings) options(component string) ([]nats.Option, error) {
	name := s.Name
	if name == "" {
		name = "mrt-wasm " + component
	}
	opts := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 100*time.Millisecond),
		// What is published while the server is away fails at once and is not sent later behind the caller's back.
		nats.ReconnectBufSize(-1),
		// A refusal while connecting again may be of the moment, such as a configuration that is being changed.
		nats.IgnoreAuthErrorAbort(),
	}
	if s.Token != "" {
		opts = append(opts, nats.Token(s.Token))
	}
	if s.User != "" {
		opts = append(opts, nats.UserInfo(s.User, s.Password))
	}
	if s.JWT != "" {
		opts = append(opts, nats.UserJWTAndSeed(s.JWT, s.Seed))
	}
	if s.Credentials != "" {
		opts = append(opts, nats.UserCredentials(s.Credentials))
	}
	secure, err := s.tls()
	if err != nil || secure == nil {
		return opts, err
	}
	return append(opts, nats.Secure(secure)), nil
}

// tls gives nil where the URL alone decides.
func (s *Settings) tls() (*tls.Config, error) {
	if s.RootCA == "" && s.ClientCert == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.RootCA != "" {
		text, err := pem(s.RootCA)
		if err != nil {
			return nil, fmt.Errorf("metadata field tls_ca_cert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("metadata field tls_ca_cert: want certificates in PEM, or the path of a file with them; found none")
		}
	}
	if s.ClientCert == "" {
		return cfg, nil
	}
	cert, errCert := pem(s.ClientCert)
	key, errKey := pem(s.ClientKey)
	pair, err := tls.X509KeyPair(cert, key)
	if err = errors.Join(errCert, errKey, err); err != nil {
		return nil, fmt.Errorf("metadata fields tls_client_cert and tls_client_key: want a certificate and its key: %w", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// pem gives what stands in a field as it is, or what is in the file that it names. The error does not quote the field,
// which may be a key that lacks its first line.
func pem(field string) ([]byte, error) {
	if strings.Contains(field, "-----BEGIN") {
		return []byte(field), nil
	}
	text, err := os.ReadFile(field)
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return nil, fmt.Errorf("it is no PEM and no file that can be read: %w", pathError.Err)
	}
	return text, err
}
