package s3

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// settings are Dapr's metadata fields.
type settings struct {
	Bucket         string `metadata:"bucket,required" doc:"name of the bucket"`
	Region         string `metadata:"region" alias:"awsRegion" doc:"region of the bucket; default us-east-1 with endpoint, else it is asked for"`
	Endpoint       string `metadata:"endpoint" doc:"URL of another server than Amazon's, for example https://minio.example.com"`
	AccessKey      string `metadata:"accessKey,secret" doc:"id of the access key"`
	SecretKey      string `metadata:"secretKey,secret" doc:"the access key's secret"`
	SessionToken   string `metadata:"sessionToken,secret" doc:"token of a session, with temporary keys"`
	ForcePathStyle bool   `metadata:"forcePathStyle" default:"false" doc:"the bucket's name stands in the path of URLs and not before the host's name; it does so too where the host is an IP address"`
	DecodeBase64   bool   `metadata:"decodeBase64" default:"false" doc:"data of create is base64 and stored decoded; a request can say so for itself"`
	EncodeBase64   bool   `metadata:"encodeBase64" default:"false" doc:"get gives base64; a request can say so for itself"`
	DisableSSL     bool   `metadata:"disableSSL" default:"false" doc:"an endpoint that says neither http:// nor https:// is without TLS"`
	InsecureSSL    bool   `metadata:"insecureSSL" default:"false" doc:"accept any server certificate; for tests only"`
	StorageClass   string `metadata:"storageClass" doc:"storage class of new objects, for example STANDARD_IA; a request can say so for itself"`
	PresignTTL     string `metadata:"presignTTL" doc:"how long URLs of presign and create are good, for example 15m, 168h at most; a request can say so for itself"`

	unsupported
}

// unsupported are fields of Dapr's that this binary refuses. They are known, so that nothing happens without them.
type unsupported struct {
	FilePath        string `metadata:"filePath" doc:"not supported, and refused: give the data in the request"`
	AssumeRoleArn   string `metadata:"assumeRoleArn" doc:"not supported, and refused: needs the full flavour"`
	SessionName     string `metadata:"sessionName" alias:"assumeRoleSessionName" doc:"not supported, see assumeRoleArn"`
	TrustAnchorArn  string `metadata:"trustAnchorArn" doc:"not supported, and refused: needs the full flavour"`
	TrustProfileArn string `metadata:"trustProfileArn" doc:"not supported, and refused: needs the full flavour"`
}

// fullFlavour is where the ways to log in are that only AWS has.
const fullFlavour = "; roles of AWS (of the machine, of a service account, assumeRoleArn, IAM Roles Anywhere) need the full flavour of the program, mrt-wasm-full"

// check gives all that is wrong with the settings.
func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.AssumeRoleArn != "" || s.TrustAnchorArn != "" || s.TrustProfileArn != "" {
		errs = append(errs, component.Elsewhere(errors.New("metadata fields assumeRoleArn, trustAnchorArn and trustProfileArn: this binary logs in by accessKey and secretKey only"+fullFlavour)))
	} else if s.AccessKey == "" || s.SecretKey == "" {
		errs = append(errs, component.Elsewhere(errors.New("metadata fields accessKey and secretKey: want both"+fullFlavour)))
	}
	if err := s3utils.CheckValidBucketName(s.Bucket); err != nil {
		bad("metadata field bucket: %w; found %q", err, s.Bucket)
	}
	if s.FilePath != "" {
		bad("metadata field filePath: files of this machine are not uploaded; give the data in the request")
	}
	if s.PresignTTL != "" {
		if _, err := presignTTL(s.PresignTTL); err != nil {
			bad("metadata field: %w", err)
		}
	}
	if strings.Contains(s.Endpoint, "@") { // not quoted: it may have a password
		bad("metadata field endpoint: want a URL without a user; use accessKey and secretKey")
	} else if u, err := url.Parse(s.endpoint()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		bad("metadata field endpoint: want a URL such as https://host:port, without a path; found %q", s.Endpoint)
	}
	return errors.Join(errs...)
}

// endpoint gives the server's URL.
func (s *settings) endpoint() string {
	switch {
	case s.Endpoint == "":
		return "https://s3.amazonaws.com"
	case strings.Contains(s.Endpoint, "://"):
		return strings.TrimRight(s.Endpoint, "/")
	case s.DisableSSL:
		return "http://" + strings.TrimRight(s.Endpoint, "/")
	default:
		return "https://" + strings.TrimRight(s.Endpoint, "/")
	}
}

// The bounds of a request's steps.
const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 15 * time.Second
	// retries is how often a request is made that fails in passing; the pauses are of 0.2 to 1 s.
	retries = 3
)

func (s *settings) transport() *http.Transport {
	return &http.Transport{
		Proxy:        http.ProxyFromEnvironment,
		DialContext:  (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConns: 64, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 2 * dialTimeout, ResponseHeaderTimeout: headerTimeout, ExpectContinueTimeout: headerTimeout,
		// An object that is stored compressed is given as it is.
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.InsecureSSL},
	}
}

func (s *settings) client(transport *http.Transport) (*minio.Client, error) {
	u, err := url.Parse(s.endpoint())
	if err != nil {
		return nil, errors.New("metadata field endpoint: want a URL such as https://host:port")
	}
	region := s.Region
	if region == "" && s.Endpoint != "" {
		region = "us-east-1" // what nearly every other server says that it is; asking takes a permission more
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, s.SessionToken), Secure: u.Scheme == "https",
		Region: region, BucketLookup: s.lookup(u), Transport: transport, MaxRetries: retries,
	})
	if err != nil {
		return nil, fmt.Errorf("metadata field endpoint: %w", err)
	}
	return client, nil
}

// lookup says where the bucket's name stands in URLs, as the SDK of AWS decides it.
func (s *settings) lookup(u *url.URL) minio.BucketLookupType {
	if s.ForcePathStyle || net.ParseIP(u.Hostname()) != nil || u.Scheme == "https" && strings.Contains(s.Bucket, ".") {
		return minio.BucketLookupPath
	}
	return minio.BucketLookupDNS
}
