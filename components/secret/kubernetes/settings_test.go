package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// TestBadSettings: whatever is wrong is said with its place.
func TestBadSettings(t *testing.T) {
	s := server()
	file := func(text string) component.Metadata {
		return component.Metadata{"kubeconfigPath": write(t, "config", text)}
	}
	user := func(user string, cluster ...string) component.Metadata {
		return component.Metadata{"kubeconfigPath": kubeconfigFile(t, user, cluster...)}
	}
	url := "server: " + s.URL
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, tc := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"no file":        {component.Metadata{"kubeconfigPath": "/no/such/file"}, "/no/such/file"},
		"namespace":      {component.Metadata{"kubeconfigPath": kubeconfigFile(t, "token: x"), "defaultNamespace": "A/b"}, "metadata field defaultNamespace"},
		"no YAML":        {file("a: [b\n"), "is not as it should be: line"},
		"other YAML":     {file("current-context: [1]\n"), "line 1"},
		"no context":     {file("kind: Config\n"), "has no current-context"},
		"other context":  {file("current-context: a\n"), "context a: there is no such context"},
		"no cluster":     {file("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n"), `there is no cluster "b"`},
		"no user":        {file("current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\nclusters: [{name: b, cluster: {server: 'https://h'}}]\n"), `there is no user "c"`},
		"no server":      {user("token: x", "insecure-skip-tls-verify: true"), "server: want a URL"},
		"bare server":    {user("token: x", "server: h:6443"), "server: want a URL"},
		"no authority":   {user("token: x", url, "certificate-authority: /no/such/ca"), "certificate-authority: open /no/such/ca"},
		"no PEM":         {user("token: x", url, "certificate-authority: "+write(t, "ca", "x")), "has no certificate in PEM"},
		"no base64":      {user("token: x", url, "certificate-authority-data: '%'"), "certificate-authority-data: want base64"},
		"wrong name":     {user("token: "+s.Reader, url, "certificate-authority: "+s.CAFile, "tls-server-name: x.internal"), "tls-server-name"},
		"authority":      {user("token: "+s.Reader, url), "check the certificate authority"},
		"proxy":          {user("token: x", url, "proxy-url: nonsense"), "proxy-url: want a URL"},
		"no key":         {user("client-certificate: "+s.CertFile, url, "certificate-authority: "+s.CAFile), "client-certificate and client-key"},
		"no certificate": {user("client-certificate: /no/such/cert\nclient-key: "+s.KeyFile, url), "client-certificate: open /no/such/cert"},
		"auth-provider":  {user("auth-provider: {name: gcp}"), "has an auth-provider (gcp), which Kubernetes has given up"},
		"wrong token":    {user("token: x"), "check the credentials of kubeconfig"},
		"plain HTTP":     {user("token: x", "server: "+strings.Replace(plain.URL, "http:", "https:", 1)), "does not speak TLS"},
		"no command":     {user("exec: {apiVersion: client.authentication.k8s.io/v1}"), "exec: the command is missing"},
		"old plugin":     {user("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}"), "apiVersion: want client.authentication.k8s.io/v1"},
		"asking":         {user("exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}"), "interactiveMode Always"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, tc.metadata, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got error %v, want %q", err, tc.want)
			}
			if _, permanent := errors.AsType[*component.PermanentError](err); !permanent {
				t.Errorf("error %v: want it permanent", err)
			}
		})
	}
}

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	file := write(t, "plugin", "#!/bin/sh\n"+text)
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

const execUser = `exec:
  apiVersion: client.authentication.k8s.io/v1
  command: %s
  args: [one, "two three"]
  env: [{name: PLUGIN_TEST, value: "yes"}]
  installHint: Install it with care.
  interactiveMode: Never
  provideClusterInfo: true`

// TestExec: a plugin gives credentials, which are kept until they expire or are refused.
func TestExec(t *testing.T) {
	s := server()
	calls, answer := filepath.Join(t.TempDir(), "calls"), write(t, "answer", "")
	give := func(status map[string]any) {
		t.Helper()
		text, err := json.Marshal(map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(answer, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		text, _ := os.ReadFile(calls)
		return strings.Count(string(text), "\n")
	}
	program := script(t, fmt.Sprintf(`test "$1,$2,$PLUGIN_TEST" = "one,two three,yes" || exit 3
case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 4 ;; esac
case "$KUBERNETES_EXEC_INFO" in *'"server":"%s"'*) ;; *) exit 5 ;; esac
echo call >> %s
cat %s
`, s.URL, calls, answer))
	give(map[string]any{"token": s.Nobody, "expirationTimestamp": time.Now().Add(time.Hour).Format(time.RFC3339)})
	store := as(t, fmt.Sprintf(execUser, program))
	if _, err := store.Get(t.Context(), "db", nil); !errors.Is(err, secret.ErrForbidden) || !strings.Contains(err.Error(), `User "nobody"`) {
		t.Errorf("get: got error %v, want %v", err, secret.ErrForbidden)
	}
	if n := count(); n != 1 {
		t.Errorf("the plugin ran %d times, want once", n)
	}
	// The next ones after a refusal: those of before are made void.
	give(map[string]any{"token": s.Reader})
	plugin := clientOf(store).access.plugin
	plugin.last.token = "void"
	want(t, store, "api.key", nil, secret.Values{"value": "planted-api-key"})
	want(t, store, "api.key", nil, secret.Values{"value": "planted-api-key"})
	if n := count(); n != 2 {
		t.Errorf("the plugin ran %d times, want twice", n)
	}
	// A certificate, which expires at once.
	cert, key := read(t, s.CertFile), read(t, s.KeyFile)
	give(map[string]any{"clientCertificateData": cert, "clientKeyData": key, "expirationTimestamp": time.Now().Format(time.RFC3339)})
	plugin.last.token = "void"
	for range 2 {
		if got, err := store.Get(t.Context(), "db", nil); err != nil || got["user"] != "app" {
			t.Errorf("get with a certificate: got %v, error %v", got, err)
		}
	}
	if _, err := store.Get(t.Context(), "api.key", nil); !errors.Is(err, secret.ErrForbidden) || !strings.Contains(err.Error(), `User "cert-user"`) {
		t.Errorf("get: got error %v, want %v", err, secret.ErrForbidden)
	}
	give(map[string]any{"token": "never good"})
	if _, err := store.Get(t.Context(), "db", nil); !errors.Is(err, secret.ErrForbidden) || strings.Contains(err.Error(), "never good") {
		t.Errorf("get with a token that is not good: got error %v, want %v", err, secret.ErrForbidden)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExecFails: the errors say what to do, and nothing of what the program wrote.
func TestExecFails(t *testing.T) {
	for name, tc := range map[string]struct{ program, want string }{
		"not installed": {"/no/such/plugin", "is not installed. Install it with care."},
		"fails":         {script(t, "echo planted; echo planted >&2; exit 7\n"), "exit status 7"},
		"no JSON":       {script(t, "echo planted\n"), "gave no ExecCredential in JSON"},
		"nothing":       {script(t, `echo '{"kind":"ExecCredential","status":{}}'`), "gave neither a token nor a certificate"},
		"half":          {script(t, `echo '{"kind":"ExecCredential","status":{"clientCertificateData":"planted"}}'`), "does not go with its key"},
		"too much":      {script(t, "head -c 2000000 /dev/zero\n"), "run it by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryOpen(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, fmt.Sprintf(execUser, tc.program))}, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "planted") {
				t.Errorf("got error %v, want %q", err, tc.want)
			}
			if !errors.Is(err, secret.ErrUnavailable) {
				t.Errorf("got error %v, want %v", err, secret.ErrUnavailable)
			}
		})
	}
}

// TestOddServers: answers of something that is no API server, or of one that is busy.
func TestOddServers(t *testing.T) {
	var code int
	var body string
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/base/readyz" {
			return
		}
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}))
	defer odd.Close()
	store := as(t, "token: planted-odd-token", "server: "+odd.URL+"/base/")
	for _, tc := range []struct {
		code int
		body string
		want string
		is   error
	}{
		{200, "planted", "no Secret in JSON", nil},
		{200, `{"data":{"a":"planted!"}}`, "no Secret in JSON", nil},
		{302, "", "a redirect, which is not followed", nil},
		{404, "not here", "is it an API server?", nil},
		{404, `{"kind":"Status","reason":"NotFound","message":"secrets \"db\" not found"}`, `secrets "db" not found`, secret.ErrNotFound},
		{400, "", "Bad Request", secret.ErrInvalid},
		{401, "", "check the credentials", secret.ErrForbidden},
		{429, "", "Too Many Requests", secret.ErrUnavailable},
		{500, strings.Repeat("x", 1000), "Internal Server Error", secret.ErrUnavailable},
		{503, `{"kind":"Status","message":"` + strings.Repeat("y", 1000) + `"}`, "yyy...", secret.ErrUnavailable},
	} {
		code, body = tc.code, tc.body
		_, err := store.Get(t.Context(), "db", nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) || strings.Contains(err.Error(), "planted") {
			t.Errorf("answer %d %.20s: got error %v, want %q and %v", tc.code, tc.body, err, tc.want, tc.is)
		}
	}
	// A list whose state is dropped again and again, and one that is none.
	code, body = 410, `{"kind":"Status","reason":"Expired","message":"too old"}`
	if _, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil); !errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), "dropped the list") {
		t.Errorf("bulk get: got error %v, want %v", err, secret.ErrUnavailable)
	}
	code, body = 200, "no list"
	if _, err := store.(secret.BulkGetter).BulkGet(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no SecretList") {
		t.Errorf("bulk get: got error %v", err)
	}
}

func clientOf(s secret.Store) *client { return s.(*store).client }
