// Package kubernetes is the secret store secretstores.kubernetes: the Secrets of a Kubernetes cluster, read as the pod's
// service account or as the user of a kubeconfig file. It speaks to the API server itself: of a whole client library it
// would need two requests.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Spec is the driver.
var Spec = component.Spec[secret.Store]{
	Type: "secretstores.kubernetes",
	Doc: `Reads the Secrets of a Kubernetes cluster.

In a pod it acts as the pod's service account, which needs a role with the verb get on secrets, and list for bulk reads. Outside,
or with kubeconfigPath, it acts as the user of the current context of a kubeconfig file. The namespace is that of the request
metadata namespace, else of the environment variable NAMESPACE, else defaultNamespace, else the pod's or the context's. Tokens
and certificates in files are read again when they change.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	Namespace  string `metadata:"defaultNamespace" doc:"namespace of requests that name none, unless the environment variable NAMESPACE is set"`
	Kubeconfig string `metadata:"kubeconfigPath" doc:"kubeconfig file; when missing the pod's service account, else the files of the variable KUBECONFIG, else ~/.kube/config"`
}

// The limits of reads: a Secret has at most 1 MiB, in JSON about a third more.
const (
	perPage        = 50
	maxAnswer      = 128 << 20
	requestTimeout = 15 * time.Second
)

// store reads from one cluster.
type store struct {
	client    *client
	namespace string
	closed    atomic.Bool
}

var (
	_ secret.Store       = (*store)(nil)
	_ secret.BulkGetter  = (*store)(nil)
	_ secret.MultiValued = (*store)(nil)
	_ secret.Pinger      = (*store)(nil)
)

var errClosed = errors.New("the store is closed")

func open(ctx context.Context, cfg component.Config) (secret.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	access, err := findAccess(set.Kubeconfig)
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if access.insecure {
		log.Warn("the server's certificate is not checked, as the kubeconfig says, so anybody may pretend to be it", "from", access.from)
	}
	s := &store{namespace: set.Namespace}
	if s.namespace == "" {
		s.namespace = access.namespace
	}
	if set.Namespace != "" && !label.MatchString(set.Namespace) {
		return nil, component.Permanent(fmt.Errorf("metadata field defaultNamespace: want the name of a namespace, found %q", set.Namespace))
	}
	if s.client, err = newClient(access); err != nil { //nolint:contextcheck // a connection is made with the context of its request
		return nil, component.Permanent(err)
	}
	if err := s.Ping(ctx); err != nil {
		s.client.close()
		return nil, s.client.explain(err)
	}
	return s, nil
}

// What names of Secrets and of namespaces are (RFC 1123); no other text gets into a path.
var (
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

const maxName = 253

// where gives the path of a namespace's secrets.
func (s *store) where(metadata map[string]string) (string, error) {
	namespace := metadata["namespace"]
	if namespace == "" {
		namespace = os.Getenv("NAMESPACE")
	}
	if namespace == "" {
		namespace = s.namespace
	}
	switch {
	case namespace == "":
		return "", fmt.Errorf("%w: which namespace? set the request's metadata namespace, the environment variable NAMESPACE, or the component's metadata field defaultNamespace", secret.ErrInvalid)
	case !label.MatchString(namespace):
		return "", fmt.Errorf("%w: want the name of a namespace, found %.70q", secret.ErrInvalid, namespace)
	}
	return "/api/v1/namespaces/" + namespace + "/secrets", nil
}

// data is what is of interest in a Secret.
type data struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

func (d *data) values() secret.Values {
	out := make(secret.Values, len(d.Data))
	for key, value := range d.Data {
		out[key] = string(value)
	}
	return out
}

// Get reads one Secret.
func (s *store) Get(ctx context.Context, name string, metadata map[string]string) (secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if len(name) > maxName || !subdomain.MatchString(name) {
		return nil, fmt.Errorf("%w: secret %.60q: want a name of small letters, digits, dashes and dots, at most %d", secret.ErrInvalid, name, maxName)
	}
	path, err := s.where(metadata)
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	answer, err := s.client.settled(ctx, path+"/"+name, nil)
	if failed, ok := errors.AsType[*statusError](err); ok && failed.code == http.StatusNotFound && failed.Reason == "NotFound" {
		return nil, fmt.Errorf("%w: %s", secret.NotFound(name), failed.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, s.client.failure(ctx, err))
	}
	var found data
	if json.Unmarshal(answer, &found) != nil { // its error may quote the value
		return nil, fmt.Errorf("secret %q: kubernetes at %s answers with no Secret in JSON", name, s.client.where)
	}
	return found.values(), nil
}

// BulkGet reads all Secrets of the namespace, page by page.
func (s *store) BulkGet(ctx context.Context, metadata map[string]string) (map[string]secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	path, err := s.where(metadata)
	if err != nil {
		return nil, err
	}
	const tries = 3
	for range tries {
		out, err := s.list(ctx, path)
		// The server keeps the state that the pages are of only for minutes.
		if failed, ok := errors.AsType[*statusError](err); ok && failed.code == http.StatusGone {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing the secrets: %w", s.client.failure(ctx, err))
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: listing the secrets: kubernetes at %s has dropped the list before it was read, %d times", secret.ErrUnavailable, s.client.where, tries)
}

func (s *store) list(ctx context.Context, path string) (map[string]secret.Values, error) {
	out := map[string]secret.Values{}
	query := url.Values{"limit": {fmt.Sprint(perPage)}}
	for {
		answer, err := s.client.settled(ctx, path, query)
		if err != nil {
			return nil, err
		}
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []data `json:"items"`
		}
		if json.Unmarshal(answer, &page) != nil {
			return nil, errors.New("the answer is no SecretList in JSON")
		}
		for _, item := range page.Items {
			out[item.Metadata.Name] = item.values()
		}
		if page.Metadata.Continue == "" {
			return out, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// MultiValued: a Secret may have several keys.
func (s *store) MultiValued() bool { return true }

// Ping asks whether the API server is ready and knows the user.
func (s *store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return errClosed
	}
	return s.client.failure(ctx, s.client.ready(ctx))
}

// Close ends the store.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	s.client.close()
	return nil
}
