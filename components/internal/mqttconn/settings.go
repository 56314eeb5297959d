// Package mqttconn is what the drivers on MQTT share: the metadata fields of a connection, publishing, and consuming by
// sessions that the server keeps, over MQTT 3.1.1 and MQTT 5. It knows nothing about topics as a building block or any
// other use.
package mqttconn

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Settings are the metadata fields of an MQTT connection, as in Dapr. A driver embeds them in its own struct.
type Settings struct {
	URL          string `metadata:"url,required,secret" doc:"server as tcp://[user:password@]host[:port]; ssl:// is TLS, ws:// and wss:// are WebSockets; mqtt, mqtts, tcps and tls are other names of the first two"`
	ConsumerID   string `metadata:"consumerID" doc:"consumer group, with which the names of sessions at the server begin; default the app's name"`
	ClientID     string `metadata:"clientID" doc:"name of this replica, where several share the messages of a consumerID: it differs from replica to replica and stays over restarts, for example {podName} of a StatefulSet; without it one process at a time consumes"`
	QoS          int64  `metadata:"qos" default:"1" doc:"quality of service: 1 at least once, 2 exactly once between neighbours, 0 at most once, by which messages are lost"`
	Retain       bool   `metadata:"retain" default:"false" doc:"the server keeps the last message of a topic for those who subscribe later; a request's metadata retain comes first"`
	CleanSession bool   `metadata:"cleanSession" default:"false" doc:"the server forgets subscriptions and waiting messages as soon as the connection ends: messages are lost then"`
	CACert       string `metadata:"caCert" doc:"certificates of the authorities to trust instead of the system's, PEM"`
	ClientCert   string `metadata:"clientCert" doc:"client certificate, PEM, with clientKey"`
	ClientKey    string `metadata:"clientKey,secret" doc:"key of clientCert, PEM"`
}

// Owner begins the names of connections: consumerID, or without it the component's name.
func (s *Settings) Owner(component string) string {
	if s.ConsumerID != "" {
		return s.ConsumerID
	}
	return component
}

// server is where to connect and with what.
type server struct {
	scheme         string // tcp, tls, ws or wss
	addr           string // host:port
	path           string // of WebSockets
	user, password string
	tls            *tls.Config // nil without TLS
}

// schemes are the names of url's schemes, and the ports that they stand for.
var schemes = map[string]struct{ is, port string }{
	"tcp": {"tcp", "1883"}, "mqtt": {"tcp", "1883"},
	"ssl": {"tls", "8883"}, "tls": {"tls", "8883"}, "tcps": {"tls", "8883"}, "mqtts": {"tls", "8883"},
	"ws": {"ws", "80"}, "wss": {"wss", "443"},
}

// server checks the settings; the error lists all that is wrong and has no credentials.
func (s *Settings) server() (*server, error) {
	at, err := s.address()
	errs := []error{err}
	config, err := s.tls()
	errs = append(errs, err)
	if s.QoS < 0 || s.QoS > 2 {
		errs = append(errs, fmt.Errorf("metadata field qos: want 0, 1 or 2, found %d", s.QoS))
	}
	for field, value := range map[string]string{"consumerID": s.ConsumerID, "clientID": s.ClientID} {
		if why := badText(value); why != "" {
			errs = append(errs, fmt.Errorf("metadata field %s: want a name of MQTT; %q %s", field, value, why))
		}
	}
	if s.ClientID != "" && strings.ContainsAny(s.ConsumerID, "/+#") {
		errs = append(errs, fmt.Errorf("metadata field consumerID: want a name without /, + and #, since with clientID it names a shared subscription; found %q", s.ConsumerID))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if at.scheme == "tls" || at.scheme == "wss" {
		at.tls = config
		at.tls.ServerName, _, _ = net.SplitHostPort(at.addr) // it was joined here
	}
	return at, nil
}

// secured tells whether certificates were given.
func (s *Settings) secured() bool { return s.CACert != "" || s.ClientCert != "" }

func (s *Settings) address() (*server, error) {
	// What cannot be read is not quoted: it may have a password.
	const want = "metadata field url: want tcp://[user:password@]host[:port], or ssl://, ws:// or wss://"
	u, err := url.Parse(strings.TrimSpace(s.URL))
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") { // in the latter case a password was cut into pieces
		return nil, errors.New(want + "; what is there cannot be read as a URL: in a user or password %23 stands for #, %2F for / and %3A for a colon")
	}
	scheme, ok := schemes[strings.ToLower(u.Scheme)]
	if !ok {
		return nil, errors.New(want + "; what is there has no scheme or another one")
	}
	if u.Hostname() == "" {
		return nil, errors.New(want + "; what is there has no host")
	}
	port := u.Port()
	if port == "" {
		port = scheme.port
	}
	at := &server{scheme: scheme.is, addr: net.JoinHostPort(u.Hostname(), port), path: u.EscapedPath()}
	at.user = u.User.Username()
	at.password, _ = u.User.Password()
	if at.user == "" && at.password != "" {
		return nil, errors.New(want + "; what is there has a password without a user, which MQTT does not take")
	}
	if len(at.user) > maxText || len(at.password) > maxText {
		return nil, fmt.Errorf("metadata field url: want a user and a password of at most %d bytes", maxText)
	}
	return at, nil
}

func (s *Settings) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var errs []error
	if s.CACert != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(s.CACert)) {
			errs = append(errs, errors.New("metadata field caCert: want certificates in PEM, with their BEGIN and END lines"))
		}
	}
	switch {
	case (s.ClientCert == "") != (s.ClientKey == ""):
		errs = append(errs, errors.New("metadata fields clientCert and clientKey: want both or none"))
	case s.ClientCert != "":
		pair, err := tls.X509KeyPair([]byte(s.ClientCert), []byte(s.ClientKey))
		if err != nil {
			errs = append(errs, fmt.Errorf("metadata fields clientCert and clientKey: want a certificate and its key in PEM, not encrypted%s: %w", isPEM(s.ClientCert, s.ClientKey), err))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, errors.Join(errs...)
}

// isPEM says which of both is no PEM, which Go's errors do not always.
func isPEM(cert, key string) string {
	if block, _ := pem.Decode([]byte(cert)); block == nil {
		return "; clientCert is no PEM"
	}
	if block, _ := pem.Decode([]byte(key)); block == nil {
		return "; clientKey is no PEM"
	}
	return ""
}
