package kafkaconn

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokenTimeout bounds a request for a token.
const tokenTimeout = 30 * time.Second

// tokenError says that no token could be had. It holds nothing of what the endpoint answered beside status and code,
// for an answer may repeat the request.
type tokenError struct {
	text string
	// refused tells that the endpoint does not take the credentials.
	refused bool
}

// Error is the text.
func (e *tokenError) Error() string { return e.text }

// tokens gets access tokens by client credentials, and keeps the current one.
type tokens struct {
	a      *Auth
	client *http.Client
	// key and chain are nil where the client has a secret.
	key   *rsa.PrivateKey
	chain []byte

	mu      sync.Mutex
	current *oauth2.Token
}

func (a *Auth) oidc() (sasl.Mechanism, error) {
	endpoint, err := url.Parse(a.OIDCTokenEndpoint)
	if err != nil || endpoint.Host == "" || endpoint.User != nil || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, errors.New("metadata field oidcTokenEndpoint: want a URL such as https://identity.example.com/token, without a user")
	}
	t := &tokens{a: a}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	if transport.TLSClientConfig, err = a.endpointTLS(); err != nil {
		return nil, err
	}
	t.client = &http.Client{Transport: transport, Timeout: tokenTimeout}
	if a.AuthType == authOIDCKey {
		if err := t.readKey(); err != nil {
			return nil, err
		}
	}
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		token, err := t.token(ctx)
		if err != nil {
			return oauth.Auth{}, err
		}
		return oauth.Auth{Token: token, Extensions: a.extensions}, nil
	}), nil
}

// endpointTLS trusts the system's authorities and those of the servers.
func (a *Auth) endpointTLS() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.SkipVerify}
	if a.CACert == "" {
		return cfg, nil
	}
	var err error
	if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
		cfg.RootCAs = x509.NewCertPool()
	}
	if !cfg.RootCAs.AppendCertsFromPEM([]byte(a.CACert)) {
		return nil, errors.New("metadata field caCert: want certificates in PEM")
	}
	return cfg, nil
}

// readKey reads the key that signs assertions, and the certificate that goes along.
func (t *tokens) readKey() error {
	der := firstPEM(t.a.OIDCAssertionKey)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(der)
	}
	var ok bool
	if t.key, ok = key.(*rsa.PrivateKey); err != nil || !ok {
		return errors.New("metadata field oidcClientAssertionKey: want an RSA key in PEM")
	}
	t.chain = firstPEM(t.a.OIDCAssertionCert)
	if _, err := x509.ParseCertificate(t.chain); err != nil {
		return fmt.Errorf("metadata field oidcClientAssertionCert: want a certificate in PEM: %w", err)
	}
	return nil
}

// token gives a token that is still good for a while.
func (t *tokens) token(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Valid() {
		return t.current.AccessToken, nil
	}
	cfg := clientcredentials.Config{
		ClientID: t.a.OIDCClientID, ClientSecret: t.a.OIDCClientSecret, TokenURL: t.a.OIDCTokenEndpoint, Scopes: strings.Split(t.a.OIDCScopes, ","),
	}
	if t.key != nil {
		assertion, err := t.assertion(time.Now())
		if err != nil {
			return "", err
		}
		cfg.ClientSecret, cfg.AuthStyle = "", oauth2.AuthStyleInParams
		cfg.EndpointParams = url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
		}
		if t.a.OIDCAudience != "" {
			cfg.EndpointParams.Set("audience", t.a.OIDCAudience)
		}
		if t.a.OIDCResource != "" {
			cfg.EndpointParams.Set("resource", t.a.OIDCResource)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	token, err := cfg.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", t.failure(err)
	}
	t.current = token
	return token.AccessToken, nil
}

// failure keeps what is safe to tell of an error.
func (t *tokens) failure(err error) error {
	where := t.a.OIDCTokenEndpoint
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok && answer.Response != nil {
		status := answer.Response.StatusCode
		return &tokenError{
			text:    fmt.Sprintf("the token endpoint %s answers with status %d, code %.40q; check oidcClientID, its secret or key, and oidcScopes", where, status, answer.ErrorCode),
			refused: status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden,
		}
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		return &tokenError{text: fmt.Sprintf("the token endpoint %s does not answer: %v", where, inner.Err)}
	}
	return &tokenError{text: fmt.Sprintf("the token endpoint %s does not give a token: %.200v", where, err)}
}

// assertion makes a JWT by which the client proves who it is (RFC 7523).
func (t *tokens) assertion(now time.Time) (string, error) {
	audience := t.a.OIDCAudience
	if audience == "" {
		audience = t.a.OIDCTokenEndpoint
	}
	header := map[string]any{"alg": "RS256", "typ": "JWT", "x5c": []string{base64.StdEncoding.EncodeToString(t.chain)}}
	if t.a.OIDCKid != "" {
		header["kid"] = t.a.OIDCKid
	}
	claims := map[string]any{
		"iss": t.a.OIDCClientID, "sub": t.a.OIDCClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	var parts [2]string
	for i, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	signed := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", &tokenError{text: "the assertion for the token endpoint cannot be signed with oidcClientAssertionKey"}
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
