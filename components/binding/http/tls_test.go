package http

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// clientPair makes a certificate that is its own authority.
func clientPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func TestMutualTLS(t *testing.T) {
	cert, key := clientPair(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	srv.TLS.ClientCAs.AppendCertsFromPEM(cert)
	srv.StartTLS()
	defer srv.Close()
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	dir := t.TempDir()
	files := map[string]string{}
	for name, data := range map[string][]byte{"root": root, "cert": cert, "key": key} {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name     string
		metadata []string
		ok       bool
	}{
		{"PEM", []string{"MTLSRootCA", string(root), "MTLSClientCert", string(cert), "MTLSClientKey", string(key)}, true},
		{"files", []string{"MTLSRootCA", files["root"], "MTLSClientCert", files["cert"], "MTLSClientKey", files["key"], "MTLSRenegotiation", "RenegotiateOnceAsClient"}, true},
		{"no client certificate", []string{"MTLSRootCA", string(root)}, false},
		{"no root", []string{"MTLSClientCert", string(cert), "MTLSClientKey", string(key)}, false},
	} {
		_, err := call(t, openAt(t, srv.URL, test.metadata...), "get", "")
		if test.ok && err != nil || !test.ok && !errors.Is(err, binding.ErrUnavailable) {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
