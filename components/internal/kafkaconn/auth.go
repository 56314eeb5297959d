package kafkaconn

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Auth are the metadata fields of authentication and encryption.
type Auth struct {
	AuthType          string `metadata:"authType" doc:"none, password (SASL), oidc, oidc_private_key_jwt, mtls or certificate; all but none connect by TLS unless disableTls; awsiam is refused: mrt-wasm-full has it"`
	AuthRequired      string `metadata:"authRequired" doc:"deprecated, without authType: false is authType none, true is password with saslPassword, else mtls"`
	Username          string `metadata:"saslUsername" doc:"user, with authType password"`
	Password          string `metadata:"saslPassword,secret" doc:"password of the user"`
	Mechanism         string `metadata:"saslMechanism" default:"PLAINTEXT" doc:"with authType password: PLAINTEXT (also PLAIN), SHA-256 or SHA-512"`
	DisableTLS        bool   `metadata:"disableTls" default:"false" doc:"connect without TLS"`
	SkipVerify        bool   `metadata:"skipVerify" default:"false" doc:"accept any server certificate; for tests only"`
	CACert            string `metadata:"caCert" doc:"authorities to trust, PEM; default those of the system; with oidc also for the token endpoint"`
	ClientCert        string `metadata:"clientCert" doc:"client certificate, PEM, with authType mtls"`
	ClientKey         string `metadata:"clientKey,secret" doc:"key of clientCert, PEM"`
	OIDCTokenEndpoint string `metadata:"oidcTokenEndpoint" doc:"URL that gives access tokens, with authType oidc or oidc_private_key_jwt"`
	OIDCClientID      string `metadata:"oidcClientID" doc:"client id at the token endpoint"`
	OIDCClientSecret  string `metadata:"oidcClientSecret,secret" doc:"secret of the client, with authType oidc"`
	OIDCScopes        string `metadata:"oidcScopes" default:"openid" doc:"scopes to ask for, separated by commas"`
	OIDCExtensions    string `metadata:"oidcExtensions" doc:"SASL extensions as a JSON object of texts"`
	OIDCAssertionCert string `metadata:"oidcClientAssertionCert" doc:"certificate that goes along with the assertion, PEM, with authType oidc_private_key_jwt"`
	OIDCAssertionKey  string `metadata:"oidcClientAssertionKey,secret" doc:"RSA key that signs the assertion, PEM, with authType oidc_private_key_jwt"`
	OIDCResource      string `metadata:"oidcResource" doc:"parameter resource of the request for a token, with authType oidc_private_key_jwt"`
	OIDCAudience      string `metadata:"oidcAudience" doc:"audience of the assertion, and parameter of the request, with authType oidc_private_key_jwt; default the token endpoint"`
	OIDCKid           string `metadata:"oidcKid" doc:"id of the key in the assertion, with authType oidc_private_key_jwt"`

	extensions map[string]string
}

// The values of authType.
const (
	authNone        = "none"
	authPassword    = "password"
	authOIDC        = "oidc"
	authOIDCKey     = "oidc_private_key_jwt"
	authMTLS        = "mtls"
	authCertificate = "certificate"
	authAWS         = "awsiam"
)

// checkAuth completes authType and checks that it has what it needs.
func (a *Auth) checkAuth() error {
	if err := a.legacy(); err != nil {
		return err
	}
	a.AuthType = strings.ToLower(a.AuthType)
	need := map[string]string{}
	switch a.AuthType {
	case authNone:
	case authPassword:
		need = map[string]string{"saslUsername": a.Username, "saslPassword": a.Password}
	case authOIDC:
		need = map[string]string{"oidcTokenEndpoint": a.OIDCTokenEndpoint, "oidcClientID": a.OIDCClientID, "oidcClientSecret": a.OIDCClientSecret}
	case authOIDCKey:
		need = map[string]string{
			"oidcTokenEndpoint": a.OIDCTokenEndpoint, "oidcClientID": a.OIDCClientID,
			"oidcClientAssertionCert": a.OIDCAssertionCert, "oidcClientAssertionKey": a.OIDCAssertionKey,
		}
	case authMTLS:
		need = map[string]string{"clientCert": a.ClientCert, "clientKey": a.ClientKey}
	case authCertificate:
		need = map[string]string{"caCert": a.CACert}
	case authAWS:
		return component.Elsewhere(errors.New("metadata field authType: awsiam needs the AWS SDK, which this binary does not have; run mrt-wasm-full, which has Dapr's own driver"))
	case "":
		return errors.New("metadata field authType is missing: want none, password, oidc, oidc_private_key_jwt, mtls or certificate")
	default:
		return fmt.Errorf("metadata field authType: want none, password, oidc, oidc_private_key_jwt, mtls or certificate, found %q", a.AuthType)
	}
	var errs []error
	for _, name := range []string{
		"saslUsername", "saslPassword", "oidcTokenEndpoint", "oidcClientID", "oidcClientSecret", "oidcClientAssertionCert", "oidcClientAssertionKey", "clientCert", "clientKey", "caCert",
	} {
		if value, needed := need[name]; needed && value == "" {
			errs = append(errs, fmt.Errorf("metadata field %s is missing: authType %s needs it", name, a.AuthType))
		}
	}
	if a.DisableTLS && (a.AuthType == authMTLS || a.AuthType == authCertificate) {
		errs = append(errs, fmt.Errorf("metadata field disableTls: authType %s is by TLS; leave one of both out", a.AuthType))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	_, err := a.tls()
	if err == nil {
		_, err = a.sasl()
	}
	return err
}

// legacy fills in authType from the field that it took the place of.
func (a *Auth) legacy() error {
	if a.AuthType != "" || a.AuthRequired == "" {
		return nil
	}
	switch {
	case oneOf(a.AuthRequired, "false", "0", "f"):
		a.AuthType = authNone
	case !oneOf(a.AuthRequired, "true", "1", "t"):
		return fmt.Errorf("metadata field authRequired: want true or false, found %q", a.AuthRequired)
	case a.Password != "":
		a.AuthType = authPassword
	default:
		a.AuthType = authMTLS
	}
	return nil
}

// tls gives the configuration of TLS; nil without.
func (a *Auth) tls() (*tls.Config, error) {
	if a.DisableTLS || a.AuthType == authNone {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.SkipVerify}
	if a.CACert != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(a.CACert)) {
			return nil, errors.New("metadata field caCert: want certificates in PEM")
		}
	}
	if a.ClientCert == "" && a.ClientKey == "" {
		return cfg, nil
	}
	pair, err := tls.X509KeyPair([]byte(a.ClientCert), []byte(a.ClientKey))
	if err != nil {
		return nil, fmt.Errorf("metadata fields clientCert and clientKey: want a certificate and its key in PEM: %w", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// sasl gives the mechanism by which to authenticate; nil without.
func (a *Auth) sasl() (sasl.Mechanism, error) {
	switch a.AuthType {
	case authPassword:
		return a.password()
	case authOIDC, authOIDCKey:
		if a.OIDCExtensions != "" {
			if err := json.Unmarshal([]byte(a.OIDCExtensions), &a.extensions); err != nil || len(a.extensions) == 0 {
				return nil, errors.New(`metadata field oidcExtensions: want a JSON object of texts such as {"cluster":"kafka"}`)
			}
		}
		return a.oidc()
	default:
		return nil, nil
	}
}

func (a *Auth) password() (sasl.Mechanism, error) {
	switch strings.ToUpper(a.Mechanism) {
	case "PLAIN", "PLAINTEXT":
		return plain.Auth{User: a.Username, Pass: a.Password}.AsMechanism(), nil
	case "SHA-256", "SCRAM-SHA-256":
		return scram.Auth{User: a.Username, Pass: a.Password}.AsSha256Mechanism(), nil
	case "SHA-512", "SCRAM-SHA-512":
		return scram.Auth{User: a.Username, Pass: a.Password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("metadata field saslMechanism: want PLAINTEXT, SHA-256 or SHA-512, found %q", a.Mechanism)
	}
}

// firstPEM gives the first block of a kind; nil if there is none.
func firstPEM(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	return block.Bytes
}
