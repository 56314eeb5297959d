package testserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kubeAPIServer is the binary that setup.sh builds into the user's cache folder.
const kubeAPIServer = "kube-apiserver-1.36.3"

// KubernetesServer is a running Kubernetes API server with an etcd. Nothing else of a cluster runs.
type KubernetesServer struct {
	// URL is https://host:port.
	URL string
	// CAFile has the certificate of the authority of the server's own one, which is for 127.0.0.1 and
	// kubernetes.internal, PEM. It is also that of clients' certificates.
	CAFile string
	// CertFile and KeyFile are for the user cert-user, PEM.
	CertFile, KeyFile string
	// Admin is the token of a user who may do anything; Reader is that of the user reader, and Nobody of nobody: these
	// two may do what a test lets them.
	Admin, Reader, Nobody string
	p                     *process
	client                *http.Client
}

// Kubernetes runs an API server. It takes some seconds.
func Kubernetes(t testing.TB) *KubernetesServer {
	t.Helper()
	ports := freePorts(t, 3)
	dir := t.TempDir()
	etcd := startEtcd(t, ports[0], ports[1], filepath.Join(dir, "etcd"))
	ca := newAuthority(t)
	cert, key := ca.issue(t, "kubernetes.internal")
	s := &KubernetesServer{
		URL: "https://" + loopback(ports[2]), CAFile: ca.file,
		Admin: "planted-admin-token", Reader: "planted-reader-token", Nobody: "planted-nobody-token",
	}
	s.CertFile, s.KeyFile = ca.issue(t, "cert-user")
	s.client = s.httpClient(t)
	der, err := x509.MarshalECPrivateKey(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	signing := ca.write(t, "service-accounts.pem", "EC PRIVATE KEY", der)
	tokens := filepath.Join(dir, "tokens.csv")
	text := fmt.Sprintf("%s,admin,1,system:masters\n%s,reader,2\n%s,nobody,3\n", s.Admin, s.Reader, s.Nobody)
	if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.p = &process{t: t, path: built(t, kubeAPIServer), addr: loopback(ports[2]), patience: 3 * startTimeout, args: []string{
		"--etcd-servers=" + etcd, "--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(ports[2]), "--cert-dir=" + dir,
		"--tls-cert-file=" + cert, "--tls-private-key-file=" + key, "--client-ca-file=" + ca.file, "--token-auth-file=" + tokens,
		"--service-account-issuer=" + s.URL, "--service-account-key-file=" + signing, "--service-account-signing-key-file=" + signing,
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
	}}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

func startEtcd(t testing.TB, client, peer int, data string) string {
	t.Helper()
	url, peerURL := "http://"+loopback(client), "http://"+loopback(peer)
	p := &process{t: t, path: "etcd", install: "etcd-server", addr: loopback(client), args: []string{
		"--name", "one", "--data-dir", data, "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "one=" + peerURL, "--unsafe-no-fsync",
	}}
	t.Cleanup(p.stop)
	p.start()
	return url
}

func (s *KubernetesServer) httpClient(t testing.TB) *http.Client {
	t.Helper()
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &http.Client{Timeout: startTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
	}}
}

// Start runs the server again on the same port, with what it had, after Stop, and waits until it is ready.
func (s *KubernetesServer) Start() {
	t := s.p.t
	t.Helper()
	s.p.start()
	for deadline := time.Now().Add(3 * startTimeout); ; time.Sleep(50 * time.Millisecond) {
		code, _, err := s.try(http.MethodGet, "/readyz", nil)
		if err == nil && code == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server at %s: not ready within %s: answer %d, error %v\n%s", s.URL, 3*startTimeout, code, err, s.p.out)
		}
	}
}

// Stop ends the API server, not the etcd; clients see their connections closed.
func (s *KubernetesServer) Stop() { s.p.stop() }

// Do makes a request as the admin, and gives the answer; it fails the test unless that is a success. body is an object that
// becomes JSON, or nil.
func (s *KubernetesServer) Do(method, path string, body any) []byte {
	t := s.p.t
	t.Helper()
	code, answer, err := s.try(method, path, body)
	if err != nil || code >= http.StatusBadRequest {
		t.Fatalf("%s %s: answer %d %s, error %v", method, path, code, answer, err)
	}
	return answer
}

func (s *KubernetesServer) try(method, path string, body any) (int, []byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.p.t.Context()), method, s.URL+path, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.Admin)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Namespace makes a namespace.
func (s *KubernetesServer) Namespace(name string) {
	s.p.t.Helper()
	s.Do(http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": name}})
}

// Secret makes a secret.
func (s *KubernetesServer) Secret(namespace, name string, values map[string]string) {
	s.p.t.Helper()
	data := map[string][]byte{} // in JSON it is base64
	for k, v := range values {
		data[k] = []byte(v)
	}
	s.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/secrets", map[string]any{"metadata": map[string]any{"name": name}, "data": data})
}

// Allow lets a user ("reader") or a service account ("namespace:name") do things with the secrets of a namespace; without
// names with all of them. It returns when that counts.
func (s *KubernetesServer) Allow(who, namespace string, verbs []string, names ...string) {
	t := s.p.t
	t.Helper()
	subject := map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": who}
	user := who
	if ns, name, ok := strings.Cut(who, ":"); ok {
		subject = map[string]any{"kind": "ServiceAccount", "namespace": ns, "name": name}
		user = "system:serviceaccount:" + who
	}
	role := strings.ToLower(strings.ReplaceAll(who, ":", "-")) + "-" + strings.Join(append(verbs, names...), "-")
	rule := map[string]any{"apiGroups": []string{""}, "resources": []string{"secrets"}, "verbs": verbs, "resourceNames": names}
	base := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + namespace
	s.Do(http.MethodPost, base+"/roles", map[string]any{"metadata": map[string]any{"name": role}, "rules": []any{rule}})
	s.Do(http.MethodPost, base+"/rolebindings", map[string]any{
		"metadata": map[string]any{"name": role}, "subjects": []any{subject},
		"roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
	})
	attributes := map[string]any{"namespace": namespace, "verb": verbs[0], "resource": "secrets"}
	if len(names) > 0 {
		attributes["name"] = names[0]
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		var review struct {
			Status struct {
				Allowed bool `json:"allowed"`
			} `json:"status"`
		}
		answer := s.Do(http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", map[string]any{
			"spec": map[string]any{"user": user, "resourceAttributes": attributes},
		})
		if err := json.Unmarshal(answer, &review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the role of %s in %s does not count within %s", who, namespace, startTimeout)
		}
	}
}

// ServiceAccount makes a service account.
func (s *KubernetesServer) ServiceAccount(namespace, name string) {
	s.p.t.Helper()
	s.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts", map[string]any{"metadata": map[string]any{"name": name}})
}

// Token makes a token of a service account, bound to it: once the account is deleted the token is not valid.
func (s *KubernetesServer) Token(namespace, name string) string {
	t := s.p.t
	t.Helper()
	var request struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	answer := s.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", map[string]any{
		"spec": map[string]any{"expirationSeconds": 3600},
	})
	if err := json.Unmarshal(answer, &request); err != nil || request.Status.Token == "" {
		t.Fatalf("the token of %s/%s: %v", namespace, name, err)
	}
	return request.Status.Token
}

// CA gives the authority's certificate, PEM.
func (s *KubernetesServer) CA() []byte {
	s.p.t.Helper()
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		s.p.t.Fatal(err)
	}
	if block, _ := pem.Decode(text); block == nil {
		s.p.t.Fatalf("%s has no PEM", s.CAFile)
	}
	return text
}
