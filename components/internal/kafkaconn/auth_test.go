package kafkaconn

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func works(t *testing.T, fields component.Metadata) {
	t.Helper()
	c, err := tryOpen(t.Context(), fields)
	if err != nil {
		t.Errorf("open: %v", err)
		return
	}
	defer c.Close()
	if _, err := c.Publish(t.Context(), Message{Topic: "auth", Data: []byte("x")}); err != nil {
		t.Errorf("publish: %v", err)
	}
}

// fails wants an error that waiting does not mend, and that has no credentials.
func fails(t *testing.T, fields component.Metadata, want string) {
	t.Helper()
	c, err := tryOpen(t.Context(), fields)
	if err == nil {
		c.Close()
		t.Errorf("got no error, want one that says %q", want)
		return
	}
	if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a permanent error that says %q", err, want)
	}
	for _, secret := range []string{"planted", server().Password, "PRIVATE"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

func TestPasswords(t *testing.T) {
	for _, mechanism := range []string{"", "PLAIN", "PLAINTEXT", "SHA-256", "SHA-512", "scram-sha-512"} {
		t.Run(mechanism, func(t *testing.T) {
			fields := component.Metadata{
				"brokers": server().SASLAddr, "authType": "password", "disableTls": "true", "saslMechanism": mechanism,
				"saslUsername": server().User, "saslPassword": server().Password,
			}
			works(t, fields)
			delete(fields, "authType")
			fields["authRequired"] = "true"
			works(t, fields)
			fields["saslPassword"] = "planted"
			fails(t, fields, "refuses the credentials")
		})
	}
}

func TestCertificates(t *testing.T) {
	s := server()
	works(t, component.Metadata{"brokers": s.TLSAddr, "authType": "certificate", "caCert": s.CA})
	works(t, component.Metadata{"brokers": s.TLSAddr, "authType": "certificate", "caCert": s.Cert, "skipVerify": "true"})
	works(t, component.Metadata{"brokers": s.MTLSAddr, "authType": "mtls", "caCert": s.CA, "clientCert": s.Cert, "clientKey": s.Key})
	fails(t, component.Metadata{"brokers": s.TLSAddr, "authType": "certificate", "caCert": s.Cert}, "caCert")
	fails(t, component.Metadata{"brokers": s.MTLSAddr, "authType": "certificate", "caCert": s.CA}, "clientCert")
}

// A connection of the wrong kind says what may be wrong.
func TestTLSMismatch(t *testing.T) {
	s := server()
	for _, fields := range []component.Metadata{
		{"brokers": s.Addr, "authType": "certificate", "caCert": s.CA},
		{"brokers": s.TLSAddr, "authType": "none"},
		{"brokers": s.SASLAddr, "authType": "none"},
	} {
		_, err := tryOpen(t.Context(), fields)
		if err == nil || !strings.Contains(err.Error(), "does not answer") && !strings.Contains(err.Error(), "caCert") {
			t.Errorf("%v: got %v, want an error", fields["brokers"], err)
		}
	}
}

// identity is a token endpoint that gives tokens without a signature, which the test server takes.
type identity struct {
	*httptest.Server
	asked atomic.Int64
	// check tells whether a request proves who asks.
	check func(r *http.Request) bool
}

func newIdentity(t *testing.T, check func(r *http.Request) bool) *identity {
	t.Helper()
	id := &identity{check: check}
	id.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != "client_credentials" || !id.check(r) {
			w.WriteHeader(http.StatusUnauthorized)
			// An endpoint that repeats what it was sent.
			_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, r.Form.Encode()+r.Header.Get("Authorization")+"planted")
			return
		}
		now := time.Now().Unix()
		claims := fmt.Sprintf(`{"sub":"shop","iat":%d,"exp":%d,"scope":"x"}`, now, now+3600)
		token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
	}))
	t.Cleanup(id.Close)
	return id
}

func (id *identity) fields() component.Metadata {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate().Raw})
	return component.Metadata{
		"brokers": server().SASLAddr, "disableTls": "true", "caCert": string(ca),
		"oidcTokenEndpoint": id.URL + "/token", "oidcClientID": "client", "oidcScopes": "kafka,more", "oidcExtensions": `{"cluster":"one"}`,
	}
}

func TestOIDC(t *testing.T) {
	id := newIdentity(t, func(r *http.Request) bool {
		user, secret, ok := r.BasicAuth()
		return ok && user == "client" && secret == "planted-right" && r.Form.Get("scope") == "kafka more"
	})
	fields := id.fields()
	fields["authType"], fields["oidcClientSecret"] = "oidc", "planted-right"
	works(t, fields)
	if n := id.asked.Load(); n != 1 {
		t.Errorf("the endpoint was asked %d times, want once: a token is kept", n)
	}
	fields["oidcClientSecret"] = "planted-wrong"
	fails(t, fields, "invalid_client")
	id.Close()
	_, err := tryOpen(t.Context(), fields)
	if _, permanent := errors.AsType[*component.PermanentError](err); err == nil || permanent || !strings.Contains(err.Error(), "token endpoint") {
		t.Errorf("the endpoint is away: got %v, want an error that can be tried again and names it", err)
	}
}

func TestOIDCPrivateKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t, func(r *http.Request) bool {
		return r.Form.Get("resource") == "api://kafka" && r.Form.Get("client_id") == "client" &&
			r.Form.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" && proves(t, r.Form.Get("client_assertion"), &key.PublicKey)
	})
	fields := id.fields()
	fields["authType"], fields["oidcKid"], fields["oidcResource"] = "oidc_private_key_jwt", "key-1", "api://kafka"
	fields["oidcClientAssertionCert"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	fields["oidcClientAssertionKey"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	works(t, fields)
	fields["oidcResource"] = "api://other"
	fails(t, fields, "invalid_client")
}

// proves tells whether an assertion is signed and is ours.
func proves(t *testing.T, assertion string, key *rsa.PublicKey) bool {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Errorf("assertion has %d parts", len(parts))
		return false
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Error(err)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], decoded[2]); err != nil {
		t.Error(err)
		return false
	}
	var header struct {
		Alg, Kid string
		X5c      []string
	}
	var claims struct {
		Iss, Sub, Aud, Jti string
		Exp                int64
	}
	if err := errors.Join(json.Unmarshal(decoded[0], &header), json.Unmarshal(decoded[1], &claims)); err != nil {
		t.Error(err)
	}
	if header.Alg != "RS256" || header.Kid != "key-1" || len(header.X5c) != 1 {
		t.Errorf("got header %s", decoded[0])
	}
	if claims.Iss != "client" || claims.Sub != "client" || !strings.HasSuffix(claims.Aud, "/token") || claims.Jti == "" || claims.Exp <= time.Now().Unix() {
		t.Errorf("got claims %s", decoded[1])
	}
	return true
}
