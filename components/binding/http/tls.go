package http

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// tlsConfig checks the TLS settings.
func tlsConfig(s *settings) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.RootCA != "" {
		pem, err := pemBytes("MTLSRootCA", s.RootCA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("metadata field MTLSRootCA: want certificates in PEM, found none")
		}
	}
	if (s.ClientCert == "") != (s.ClientKey == "") {
		return nil, errors.New("metadata fields MTLSClientCert and MTLSClientKey: want both or none")
	}
	if s.ClientCert != "" {
		cert, errCert := pemBytes("MTLSClientCert", s.ClientCert)
		key, errKey := pemBytes("MTLSClientKey", s.ClientKey)
		if err := errors.Join(errCert, errKey); err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("metadata fields MTLSClientCert and MTLSClientKey: want a certificate and its key in PEM: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	switch s.Renegotiation {
	case "", "RenegotiateNever":
	case "RenegotiateOnceAsClient":
		cfg.Renegotiation = tls.RenegotiateOnceAsClient
	case "RenegotiateFreelyAsClient":
		cfg.Renegotiation = tls.RenegotiateFreelyAsClient
	default:
		return nil, fmt.Errorf("metadata field MTLSRenegotiation: want RenegotiateNever, RenegotiateOnceAsClient or RenegotiateFreelyAsClient; found %q", s.Renegotiation)
	}
	return cfg, nil
}

// pemBytes gives a field that is PEM, or the path of a file with PEM.
func pemBytes(field, text string) ([]byte, error) {
	if strings.Contains(text, "-----BEGIN") {
		return []byte(text), nil
	}
	data, err := os.ReadFile(text)
	if err != nil {
		// Not with the text: it may be a key that lost its first line.
		return nil, fmt.Errorf("metadata field %s: want PEM or the path of a file that can be read", field)
	}
	return data, nil
}
