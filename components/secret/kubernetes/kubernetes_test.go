package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/secret/secrettest"
)

// server is that of all tests: it takes seconds to start.
var server = sync.OnceValue(func() *testserver.KubernetesServer {
	s := testserver.Kubernetes(testserver.Shared)
	s.Namespace("team")
	s.Namespace("other")
	s.Secret("team", "db", map[string]string{"user": "app", "password": "planted-db-password", "binary": "\x00\xff"})
	s.Secret("team", "api.key", map[string]string{"value": "planted-api-key"})
	s.Secret("team", "empty", nil)
	s.Secret("other", "db", map[string]string{"user": "another"})
	s.Allow("reader", "team", []string{"get", "list"})
	s.Allow("cert-user", "team", []string{"get"}, "db")
	return s
})

func TestMain(m *testing.M) {
	for _, name := range []string{"NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"} {
		_ = os.Unsetenv(name) // it would be that of a cluster that the tests run in
	}
	os.Exit(testserver.Main(m.Run))
}

// kubeconfigFile writes a kubeconfig for the server; user are the lines of its user, cluster those of its cluster besides
// the server and its authority.
func kubeconfigFile(t testing.TB, user string, cluster ...string) string {
	t.Helper()
	s := server()
	if len(cluster) == 0 {
		cluster = []string{"server: " + s.URL, "certificate-authority: " + s.CAFile}
	}
	return write(t, "config", fmt.Sprintf(`apiVersion: v1
kind: Config
preferences: {}
current-context: here
contexts:
- {name: elsewhere, context: {cluster: none, user: none}}
- {name: here, context: {cluster: local, user: me, namespace: team}}
clusters:
- name: local
  cluster:
    %s
users:
- name: me
  user:
    %s
`, strings.Join(cluster, "\n    "), strings.ReplaceAll(user, "\n", "\n    ")))
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func tryOpen(t testing.TB, metadata component.Metadata, log *slog.Logger) (secret.Store, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	return Spec.New(ctx, component.Config{Name: "kubernetes", Metadata: metadata, Log: log})
}

// as opens a store as the user of a kubeconfig.
func as(t testing.TB, user string, cluster ...string) secret.Store {
	t.Helper()
	return opened(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, user, cluster...)})
}

func opened(t testing.TB, metadata component.Metadata) secret.Store {
	t.Helper()
	s, err := tryOpen(t, metadata, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
	return s
}

func want(t testing.TB, s secret.Store, name string, metadata map[string]string, values secret.Values) {
	t.Helper()
	got, err := s.Get(t.Context(), name, metadata)
	if err != nil || !maps.Equal(got, values) {
		t.Errorf("get %s: got %v, error %v, want %v", name, got, err, values)
	}
}

func in(namespace string) map[string]string { return map[string]string{"namespace": namespace} }

func TestConformance(t *testing.T) {
	s := server()
	s.Namespace("suite")
	s.Allow("reader", "suite", []string{"get", "list"})
	secrettest.Run(t, func(t *testing.T, planted map[string]secret.Values) secret.Store {
		for name, values := range planted {
			s.Secret("suite", name, values)
		}
		return opened(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, "token: "+s.Reader), "defaultNamespace": "suite"})
	}, secrettest.Caps{DNSNames: true})
}

func TestNamespaces(t *testing.T) {
	s := as(t, "token: "+server().Admin)
	app := secret.Values{"user": "app", "password": "planted-db-password", "binary": "\x00\xff"}
	want(t, s, "db", nil, app)
	want(t, s, "db", in("other"), secret.Values{"user": "another"})
	want(t, s, "empty", nil, secret.Values{})
	want(t, opened(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, "token: "+server().Admin), "defaultNamespace": "other"}), "db", nil, secret.Values{"user": "another"})
	t.Setenv("NAMESPACE", "other") // Dapr's order
	want(t, s, "db", nil, secret.Values{"user": "another"})
	want(t, s, "db", in("team"), app)
	for _, bad := range []string{"a/b", "..", "A", "a b", strings.Repeat("a", 64), "team/secrets/db?x="} {
		if _, err := s.Get(t.Context(), "db", in(bad)); !errors.Is(err, secret.ErrInvalid) {
			t.Errorf("namespace %q: got error %v, want %v", bad, err, secret.ErrInvalid)
		}
	}
	if _, err := s.Get(t.Context(), "db", in("none")); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("a namespace that is not there: got error %v, want %v", err, secret.ErrNotFound)
	}
	t.Setenv("NAMESPACE", "")
	s.(*store).namespace = ""
	for name, err := range map[string]error{"get": second(s.Get(t.Context(), "db", nil)), "bulk get": second(s.(secret.BulkGetter).BulkGet(t.Context(), nil))} {
		if !errors.Is(err, secret.ErrInvalid) || !strings.Contains(err.Error(), "defaultNamespace") {
			t.Errorf("%s without a namespace: got error %v, want %v", name, err, secret.ErrInvalid)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestBulkPages reads more secrets than are on a page.
func TestBulkPages(t *testing.T) {
	s := server()
	s.Namespace("many")
	for i := range 2*perPage + 1 {
		s.Secret("many", fmt.Sprintf("s%03d", i), map[string]string{"n": fmt.Sprint(i)})
	}
	store := as(t, "token: "+s.Admin)
	all, err := store.(secret.BulkGetter).BulkGet(t.Context(), in("many"))
	if err != nil || len(all) != 2*perPage+1 || all["s077"]["n"] != "77" {
		t.Errorf("bulk get: got %d secrets, s077 is %v, error %v", len(all), all["s077"], err)
	}
}

// TestForbidden: what the user has no role for is refused, and the error says by whom and for what.
func TestForbidden(t *testing.T) {
	s := server()
	nobody := as(t, "token: "+s.Nobody)
	reader := as(t, "token: "+s.Reader)
	cert := as(t, "client-certificate: "+s.CertFile+"\nclient-key: "+s.KeyFile)
	want(t, cert, "db", nil, secret.Values{"user": "app", "password": "planted-db-password", "binary": "\x00\xff"})
	for name, tc := range map[string]struct {
		err  error
		user string
	}{
		"get":             {second(nobody.Get(t.Context(), "db", nil)), "nobody"},
		"bulk get":        {second(nobody.(secret.BulkGetter).BulkGet(t.Context(), nil)), "nobody"},
		"other namespace": {second(reader.Get(t.Context(), "db", in("other"))), "reader"},
		"other secret":    {second(cert.Get(t.Context(), "api.key", nil)), "cert-user"},
		"bulk of some":    {second(cert.(secret.BulkGetter).BulkGet(t.Context(), nil)), "cert-user"},
	} {
		if !errors.Is(tc.err, secret.ErrForbidden) || !strings.Contains(tc.err.Error(), `User "`+tc.user+`" cannot`) || !strings.Contains(tc.err.Error(), "bind it to a role") {
			t.Errorf("%s: got error %v, want %v, the user and what to do", name, tc.err, secret.ErrForbidden)
		}
	}
	// This server has no passwords, so it takes one for nobody in particular.
	_, err := as(t, "username: u\npassword: planted-password").Get(t.Context(), "db", nil)
	if !errors.Is(err, secret.ErrForbidden) || !strings.Contains(err.Error(), "system:anonymous") || strings.Contains(err.Error(), "planted") {
		t.Errorf("get with a password: got error %v, want %v", err, secret.ErrForbidden)
	}
	if err := nobody.(secret.Pinger).Ping(t.Context()); err != nil {
		t.Errorf("ping of one who may nothing: %v", err)
	}
}

// TestUsers: all the ways to say who one is.
func TestUsers(t *testing.T) {
	s := server()
	folder := t.TempDir()
	for name, file := range map[string]string{"ca.pem": s.CAFile, "cert.pem": s.CertFile, "key.pem": s.KeyFile} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := func(file string) string {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(text)
	}
	ca := "certificate-authority-data: " + data("ca.pem")
	for name, tc := range map[string]struct {
		user    string
		cluster []string
	}{
		"token":               {"token: " + s.Reader, nil},
		"token file":          {"tokenFile: " + write(t, "token", s.Reader+"\n"), nil},
		"token file wins":     {"token: no\ntokenFile: " + write(t, "token", s.Reader), nil},
		"certificate":         {"client-certificate: " + s.CertFile + "\nclient-key: " + s.KeyFile, nil},
		"certificate's data":  {"client-certificate-data: " + data("cert.pem") + "\nclient-key-data: " + data("key.pem"), []string{"server: " + s.URL, ca}},
		"authority's data":    {"token: " + s.Reader, []string{"server: " + s.URL + "/", ca}},
		"no check":            {"token: " + s.Reader, []string{"server: " + s.URL, "insecure-skip-tls-verify: true"}},
		"name":                {"token: " + s.Reader, []string{"server: " + s.URL, ca, "tls-server-name: kubernetes.internal"}},
		"acting for another":  {"token: " + s.Admin + "\nas: reader", nil},
		"acting for a group":  {"token: " + s.Admin + "\nas: x\nas-uid: u\nas-groups: [system:masters]\nas-user-extra: {a: [b]}", nil},
		"unknown fields":      {"token: " + s.Reader + "\nunknown: {a: b}", nil},
		"fields of extension": {"token: " + s.Reader, []string{"server: " + s.URL, ca, "extensions: [{name: x, extension: {a: b}}]"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := as(t, tc.user, tc.cluster...).Get(t.Context(), "db", nil); err != nil || got["user"] != "app" {
				t.Errorf("get: got %v, error %v", got, err)
			}
		})
	}
	t.Run("relative paths", func(t *testing.T) {
		text, err := os.ReadFile(kubeconfigFile(t, "client-certificate: cert.pem\nclient-key: ./key.pem", "server: "+s.URL, "certificate-authority: ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, "config")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		store := opened(t, component.Metadata{"kubeconfigPath": file})
		if got, err := store.Get(t.Context(), "db", nil); err != nil || got["user"] != "app" {
			t.Errorf("get: got %v, error %v", got, err)
		}
	})
}

// TestInPod runs as in a pod, as a service account whose token is renewed in its file.
func TestInPod(t *testing.T) {
	s := server()
	folder := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := serviceAccount
	serviceAccount = folder
	t.Cleanup(func() { serviceAccount = before })
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	if _, err := tryOpen(t, nil, nil); err == nil || !strings.Contains(err.Error(), "automountServiceAccountToken") {
		t.Errorf("a pod without a token: got error %v", err)
	}
	for _, name := range []string{"first", "second"} {
		s.ServiceAccount("team", name)
		s.Allow("team:"+name, "team", []string{"get"}, "db")
	}
	first := s.Token("team", "first")
	put("token", first)
	put("ca.crt", string(s.CA()))
	put("namespace", "team\n")
	store := opened(t, nil)
	app := secret.Values{"user": "app", "password": "planted-db-password", "binary": "\x00\xff"}
	want(t, store, "db", nil, app)
	_, err := store.Get(t.Context(), "api.key", nil)
	if !errors.Is(err, secret.ErrForbidden) || !strings.Contains(err.Error(), "system:serviceaccount:team:first") {
		t.Errorf("get of another: got error %v, want %v", err, secret.ErrForbidden)
	}
	s.Do(http.MethodDelete, "/api/v1/namespaces/team/serviceaccounts/first", nil)
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) { // the server remembers tokens for some seconds
		_, err := store.Get(t.Context(), "db", nil)
		if errors.Is(err, secret.ErrForbidden) && strings.Contains(err.Error(), "check the credentials of the pod's service account") {
			break
		}
		if time.Now().After(deadline) || err != nil && strings.Contains(err.Error(), first) {
			t.Fatalf("get with a token that is void: got error %v, want %v without the token", err, secret.ErrForbidden)
		}
	}
	put("token", s.Token("team", "second")+"\n")
	want(t, store, "db", nil, app)
	if err := os.Remove(filepath.Join(folder, "token")); err != nil {
		t.Fatal(err)
	}
	want(t, store, "db", nil, app) // the last one counts
	// A kubeconfig that is asked for comes before the pod.
	other := opened(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, "token: "+s.Admin)})
	want(t, other, "api.key", nil, secret.Values{"value": "planted-api-key"})
}

// TestEnvironment: without the field the files of KUBECONFIG are read together, and else that of the home folder.
func TestEnvironment(t *testing.T) {
	s := server()
	home := t.TempDir()
	t.Setenv("HOME", home)
	if _, err := tryOpen(t, nil, nil); err == nil || !strings.Contains(err.Error(), "set the metadata field kubeconfigPath") {
		t.Errorf("no kubeconfig: got error %v", err)
	}
	if err := os.MkdirAll(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(kubeconfigFile(t, "token: "+s.Reader))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".kube", "config"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, opened(t, nil), "api.key", nil, secret.Values{"value": "planted-api-key"})
	first := write(t, "a", "current-context: both\nusers: [{name: me, user: {token: "+s.Nobody+"}}]\n")
	third := write(t, "b", "contexts: [{name: both, context: {cluster: local, user: me, namespace: other}}]\n")
	t.Setenv("KUBECONFIG", strings.Join([]string{first, "/no/such/file", "", third, kubeconfigFile(t, "token: "+s.Reader)}, string(filepath.ListSeparator)))
	if _, err := opened(t, nil).Get(t.Context(), "db", nil); err == nil || !strings.Contains(err.Error(), `User "nobody" cannot get resource "secrets" in API group "" in the namespace "other"`) {
		t.Errorf("several files: got error %v, want that of the first user in the second namespace", err)
	}
}

func TestClose(t *testing.T) {
	s := as(t, "token: "+server().Reader)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"bulk get": second(s.(secret.BulkGetter).BulkGet(t.Context(), nil)), "ping": s.(secret.Pinger).Ping(t.Context()), "close": s.Close(t.Context()),
	} {
		if (err == nil) != (name == "close") {
			t.Errorf("%s after close: got error %v", name, err)
		}
	}
	if !s.(secret.MultiValued).MultiValued() {
		t.Error("secrets may have several keys")
	}
}
