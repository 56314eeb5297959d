package redisconn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func decode(t *testing.T, metadata component.Metadata) *redisconn.Settings {
	t.Helper()
	s := &redisconn.Settings{}
	if err := (component.Config{Metadata: metadata}).Decode(s); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return s
}

func TestOptions(t *testing.T) {
	o, err := decode(t, component.Metadata{
		"redisHost": "a, b:1 ,[::1]", "redisPort": "7000", "redisType": "Cluster", "redisUsername": "u", "redisPassword": "p",
		"redisMaxRetries": "0", "redisMinRetryInterval": "5", "redisMaxRetryInterval": "2s", "dialTimeout": "100ms",
		"readTimeout": "-1", "poolSize": "7", "idleTimeout": "-1", "minIdleConns": "2", "maxConnAge": "1h",
	}).Options()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.Addrs, " "); got != "a:7000 b:1 [::1]:7000" {
		t.Errorf("addresses: got %s", got)
	}
	if !o.IsClusterMode || o.Username != "u" || o.Password != "p" || o.MaxRetries != -1 || o.PoolSize != 7 || o.MinIdleConns != 2 {
		t.Errorf("options: got %+v", o)
	}
	for name, d := range map[string][2]time.Duration{
		"redisMinRetryInterval": {o.MinRetryBackoff, 5 * time.Millisecond}, "redisMaxRetryInterval": {o.MaxRetryBackoff, 2 * time.Second},
		"dialTimeout": {o.DialTimeout, 100 * time.Millisecond}, "readTimeout": {o.ReadTimeout, -1},
		"idleTimeout": {o.ConnMaxIdleTime, -1}, "maxConnAge": {o.ConnMaxLifetime, time.Hour},
	} {
		if d[0] != d[1] {
			t.Errorf("%s: got %s, want %s", name, d[0], d[1])
		}
	}
	o, err = decode(t, component.Metadata{"redisHost": "localhost"}).Options()
	if err != nil || o.Addrs[0] != "localhost:6379" || o.MaxRetries != 3 || o.TLSConfig != nil || o.IsClusterMode {
		t.Errorf("defaults: got %+v, error %v", o, err)
	}
}

func TestOptionsErrors(t *testing.T) {
	for _, tc := range []struct {
		name     string
		metadata component.Metadata
		want     string
	}{
		{"type", component.Metadata{"redisType": "sentinel"}, `metadata field redisType: want node or cluster, found "sentinel"`},
		{"hosts", component.Metadata{"redisHost": "a,b"}, "metadata field redisHost: has 2 hosts, but redisType node takes one; set redisType: cluster, or failover: true for sentinels"},
		{"no host", component.Metadata{"redisHost": " , "}, `metadata field redisHost: want host:port, found " , "`},
		{"cluster database", component.Metadata{"redisType": "cluster", "redisDB": "1"}, "metadata field redisDB: want 0 with redisType cluster, found 1"},
		{"negative", component.Metadata{"poolSize": "-1"}, "metadata fields redisDB, poolSize and minIdleConns: want 0 or more, found 0, -1 and 0"},
		{"failover", component.Metadata{"failover": "true"}, `metadata fields failover and sentinelMasterName: want both or none of them, found failover true and sentinelMasterName ""`},
		{"master", component.Metadata{"sentinelMasterName": "m"}, `metadata fields failover and sentinelMasterName: want both or none of them, found failover false and sentinelMasterName "m"`},
		{"Entra", component.Metadata{"useEntraID": "true"}, "metadata field useEntraID: this binary cannot authenticate to Redis by Microsoft Entra ID; use redisUsername and redisPassword"},
		{"certificate without TLS", component.Metadata{"clientCert": "x"}, "metadata fields clientCert and clientKey: need enableTLS: true"},
		{"certificate", component.Metadata{"enableTLS": "true", "clientCert": "x", "clientKey": "y"}, "metadata fields clientCert and clientKey: want a certificate and its key in PEM: tls: failed to find any PEM data in certificate input"},
	} {
		if _, ok := tc.metadata["redisHost"]; !ok {
			tc.metadata["redisHost"] = "localhost"
		}
		_, err := redisconn.Dial(t.Context(), decode(t, tc.metadata))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: got error %v, want %q", tc.name, err, tc.want)
		}
		if _, ok := errors.AsType[*component.PermanentError](err); !ok {
			t.Errorf("%s: error %v is not permanent", tc.name, err)
		}
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	for _, f := range component.Fields(new(redisconn.Settings)) {
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
}

func TestUnreachable(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, redis.ErrClosed, redis.ErrPoolTimeout, &net.OpError{Op: "dial", Err: io.EOF}} {
		if !redisconn.Unreachable(err) {
			t.Errorf("%v: got false, want true", err)
		}
	}
	for _, err := range []error{nil, redis.Nil, context.Canceled, errors.New("ERR syntax error"), redis.ErrCrossSlot} {
		if redisconn.Unreachable(err) {
			t.Errorf("%v: got true, want false", err)
		}
	}
}

func dialed(t *testing.T, metadata component.Metadata) redis.UniversalClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := redisconn.Dial(ctx, decode(t, metadata))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSentinel(t *testing.T) {
	master := testserver.Redis(t)
	sentinel := testserver.RedisSentinel(t, master)
	c := dialed(t, component.Metadata{"redisHost": sentinel.Addr, "failover": "true", "sentinelMasterName": "mymaster"})
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	direct := dialed(t, component.Metadata{"redisHost": master.Addr})
	if got, err := direct.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Errorf("the master has %q, error %v, want v", got, err)
	}
	_, err := redisconn.Dial(t.Context(), decode(t, component.Metadata{"redisHost": sentinel.Addr, "failover": "true", "sentinelMasterName": "other"}))
	if err == nil || !strings.Contains(err.Error(), "redis at "+sentinel.Addr) {
		t.Errorf("another master's name: got error %v, want one that names %s", err, sentinel.Addr)
	}
}

func TestTLSAndUsers(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certFile, keyFile := write("cert.pem", cert), write("key.pem", key)
	port := strconv.Itoa(testserver.FreePort(t))
	testserver.Redis(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile,
		"--tls-auth-clients", "yes", "--user", "default", "off", "--user", "app", "on", ">secret", "~*", "&*", "+@all")
	full := component.Metadata{
		"redisHost": "127.0.0.1:" + port, "enableTLS": "true", "insecureSkipTLSVerify": "true", "clientCert": cert, "clientKey": key,
		"redisUsername": "app", "redisPassword": "secret",
	}
	c := dialed(t, full)
	if err := c.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Errorf("set over TLS: %v", err)
	}
	for name, without := range map[string]string{"client certificate": "clientCert,clientKey", "trust": "insecureSkipTLSVerify", "TLS": "enableTLS,clientCert,clientKey", "user": "redisUsername"} {
		metadata := component.Metadata{"redisMaxRetries": "0", "readTimeout": "500ms"}
		for k, v := range full {
			if !strings.Contains(without, k) {
				metadata[k] = v
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := redisconn.Dial(ctx, decode(t, metadata))
		cancel()
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("without %s: got error %v, want one that does not show the password", name, err)
		}
	}
}

// certificate makes a certificate that is its own authority, good for both sides.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}
