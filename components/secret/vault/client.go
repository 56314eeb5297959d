package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// check looks at what the fields' types cannot say.
func (set *settings) check() error {
	var errs []error
	switch {
	case set.Token == "" && set.TokenFile == "":
		errs = append(errs, errors.New("metadata field vaultToken or vaultTokenMountPath is missing: one of them is needed"))
	case set.Token != "" && set.TokenFile != "":
		errs = append(errs, errors.New("metadata fields vaultToken and vaultTokenMountPath are both given; keep one of them"))
	}
	oneOf := func(field, value string, want ...string) {
		if !slices.Contains(want, value) {
			errs = append(errs, fmt.Errorf("metadata field %s: want one of %s, found %q", field, strings.Join(want, ", "), value))
		}
	}
	oneOf("vaultValueType", set.ValueType, "map", "text")
	if set.KVVersion != "" {
		oneOf("vaultKVVersion", set.KVVersion, "v1", "v2")
	}
	if strings.Trim(set.Engine, "/") == "" {
		errs = append(errs, errors.New("metadata field enginePath: want where the key-value engine is mounted, for example secret"))
	}
	return errors.Join(errs...)
}

// newClient makes a client that is as the fields say, whatever VAULT_* variables are in the environment, and gives the
// address as it may be shown.
func newClient(set *settings, over *http.Client) (*api.Client, string, error) {
	addr, err := url.Parse(set.Address)
	if err != nil || addr.Scheme != "http" && addr.Scheme != "https" || addr.Host == "" {
		return nil, "", errors.New("metadata field vaultAddr: want a URL such as https://vault.example.com:8200")
	}
	// Trying again is for the Resiliency of the manifest.
	client, err := api.NewClient(&api.Config{Address: set.Address, HttpClient: over, Timeout: requestTimeout, MaxRetries: 0})
	if err != nil {
		return nil, "", err
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: []string{"true"}})
	return client, addr.Redacted(), nil
}

// httpClient is what requests go through.
func (set *settings) httpClient() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: set.ServerName, InsecureSkipVerify: set.SkipVerify}
	if !set.SkipVerify {
		var err error
		if config.RootCAs, err = set.roots(); err != nil {
			return nil, err
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: requestTimeout}).DialContext,
			TLSHandshakeTimeout: requestTimeout, MaxIdleConnsPerHost: parallelism,
		},
		// The client follows a standby's redirect itself, with the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// roots are the authorities to trust; nil for those of the system.
func (set *settings) roots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	add := func(what string, pem []byte) error {
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s has no certificate in PEM", what)
		}
		return nil
	}
	switch {
	case set.CAPem != "":
		return pool, add("metadata field caPem", []byte(set.CAPem))
	case set.CAPath != "":
		files, err := certificateFiles(set.CAPath)
		for _, file := range files {
			text, errRead := os.ReadFile(file)
			err = errors.Join(err, errRead)
			if errRead == nil {
				err = errors.Join(err, add(file, text))
			}
		}
		if err != nil {
			return nil, fmt.Errorf("metadata field caPath: %w", err)
		}
		return pool, nil
	case set.CACert != "":
		text, err := os.ReadFile(set.CACert)
		if err != nil {
			return nil, fmt.Errorf("metadata field caCert: %w", err)
		}
		return pool, add("metadata field caCert: "+set.CACert, text)
	default:
		return nil, nil
	}
}

// certificateFiles lists the files of a folder and of those in it. Hidden ones are left out: a mounted Kubernetes secret
// has folders of this kind with the same files once more.
func certificateFiles(folder string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		hidden := err == nil && file != folder && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return filepath.SkipDir
		case !hidden && !d.IsDir():
			files = append(files, file)
		}
		return nil
	})
	return files, err
}

// version finds out which version of KV the engine is. wanted is the metadata field; when it is missing and the server
// does not tell, it is 2, as in Dapr.
func (s *store) version(ctx context.Context, wanted string) error {
	s.v2 = wanted != "v1"
	// Any token that may do something with the engine may ask this.
	answer, err := s.client.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+s.engine)
	if err != nil || answer == nil {
		return nil //nolint:nilerr // it is a question of comfort: requests will tell what is wrong
	}
	if typ, _ := answer.Data["type"].(string); typ != "kv" && typ != "generic" {
		return component.Permanent(fmt.Errorf("metadata field enginePath: the engine %s of vault at %s is of type %q; want a kv engine", s.engine, s.where, typ))
	}
	is := "v1"
	if options, ok := answer.Data["options"].(map[string]any); ok && options["version"] == "2" {
		is = "v2"
	}
	if wanted != "" && wanted != is {
		return component.Permanent(fmt.Errorf("metadata field vaultKVVersion: the engine %s of vault at %s is KV %s, found %s", s.engine, s.where, is, wanted))
	}
	s.v2 = is == "v2"
	return nil
}

func (s *store) sealed() error {
	return fmt.Errorf("%w: vault at %s is sealed; unseal it", secret.ErrUnavailable, s.where)
}

// failure says what an error of the client means.
func (s *store) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("vault at %s: %w", s.where, ctx.Err())
	}
	answer, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return fmt.Errorf("%w: vault at %s does not answer: %w", secret.ErrUnavailable, s.where, err)
	}
	text := strings.TrimSpace(strings.Join(answer.Errors, "; "))
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	said := fmt.Sprintf("vault at %s answers %d %s", s.where, answer.StatusCode, text)
	switch code := answer.StatusCode; {
	case code == http.StatusServiceUnavailable && strings.Contains(strings.ToLower(text), "sealed"):
		return s.sealed()
	case code == http.StatusForbidden:
		return fmt.Errorf("%w: %s; check that the token is valid and that its policies let it read this", secret.ErrForbidden, said)
	case code == http.StatusBadRequest:
		return fmt.Errorf("%w: %s", secret.ErrInvalid, said)
	case code == http.StatusTooManyRequests || code == http.StatusPreconditionFailed || code >= http.StatusInternalServerError:
		return fmt.Errorf("%w: %s", secret.ErrUnavailable, said)
	default:
		return errors.New(said)
	}
}

// explain marks what waiting cannot mend when the store is opened.
func explain(err error) error {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return component.Permanent(fmt.Errorf("%w; set caCert, caPath or caPem to the authority of the server's certificate, and tlsServerName if it has another name", err))
	}
	if _, bad := errors.AsType[tls.RecordHeaderError](err); bad || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return component.Permanent(fmt.Errorf("%w; the server does not speak TLS: write http:// in vaultAddr", err))
	}
	return err
}

// toJSON is v as JSON, as it would stand in a file: without escapes for HTML.
func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
