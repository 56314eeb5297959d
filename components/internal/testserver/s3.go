package testserver

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// versityGW is the binary that setup.sh builds into the user's cache folder.
const versityGW = "versitygw-1.8.0"

// S3Server is a running server that speaks the protocol of Amazon S3, checks signatures, and keeps objects, with their
// versions, as files.
type S3Server struct {
	// Addr is host:port, URL is http://host:port or https://host:port.
	Addr, URL string
	// CAFile has the certificate of the authority of the server's own one, PEM; empty without TLS.
	CAFile string
	// AccessKey and SecretKey are those of its only user.
	AccessKey, SecretKey string
	p                    *process
}

// S3 runs a server without TLS.
func S3(t testing.TB) *S3Server {
	t.Helper()
	return newS3(t, "http", "")
}

// S3TLS runs a server with a certificate for 127.0.0.1.
func S3TLS(t testing.TB) *S3Server {
	t.Helper()
	ca, cert, key := certificates(t, "s3.test")
	return newS3(t, "https", ca, "--cert", cert, "--key", key)
}

func newS3(t testing.TB, scheme, ca string, extra ...string) *S3Server {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for the S3 server is needed: %v", err)
	}
	bin := filepath.Join(cache, "mrt-wasm-test", versityGW)
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("the S3 server is not built: run `make test-setup`, which takes some minutes the first time: %v", err)
	}
	addr := loopback(freePorts(t, 1)[0])
	s := &S3Server{
		Addr: addr, URL: scheme + "://" + addr, CAFile: ca, AccessKey: "planted-access", SecretKey: "planted-secret-of-the-user",
	}
	data, meta, versions := t.TempDir(), t.TempDir(), t.TempDir()
	args := append([]string{"--port", addr, "--access", s.AccessKey, "--secret", s.SecretKey, "--quiet"}, extra...)
	// Not every file system has attributes for what is to be known of an object.
	args = append(args, "posix", "--sidecar", meta, "--versioning-dir", versions, data)
	s.p = &process{t: t, path: bin, addr: addr, args: args}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Client gives a client with all rights.
func (s *S3Server) Client() *minio.Client {
	s.p.t.Helper()
	client, err := minio.New(s.Addr, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Secure: s.CAFile != "", Region: "us-east-1",
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	})
	if err != nil {
		s.p.t.Fatal(err)
	}
	return client
}

// Bucket makes a bucket, and gives its name.
func (s *S3Server) Bucket(name string) string {
	s.p.t.Helper()
	if err := s.Client().MakeBucket(s.p.t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		s.p.t.Fatalf("making bucket %s: %v\n%s", name, err, s.p.out)
	}
	return name
}

// Start runs the server again on the same port, with what it had, after Stop.
func (s *S3Server) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *S3Server) Stop() { s.p.stop() }
