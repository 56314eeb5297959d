package kubernetes

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// access is how to reach an API server, and as whom.
type access struct {
	from       string // for errors
	server     string
	namespace  string
	authority  []byte
	insecure   bool
	serverName string
	proxy      *url.URL

	token, tokenFile   string
	username, password string
	impersonate        http.Header
	certPEM, keyPEM    []byte
	certFile, keyFile  string
	plugin             *plugin
}

// serviceAccount is the folder that a pod has of its service account.
var serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// findAccess takes the kubeconfig file that is given, else the pod's service account, else the files that kubectl reads.
// Errors are permanent unless a file may yet be written.
func findAccess(file string) (*access, error) {
	if file != "" {
		return fromKubeconfig([]string{file})
	}
	if host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"); host != "" && port != "" {
		return fromPod(host, port)
	}
	if list := os.Getenv("KUBECONFIG"); list != "" {
		return fromKubeconfig(filepath.SplitList(list))
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("this is no pod of Kubernetes, and there is no home folder with a kubeconfig; set the metadata field kubeconfigPath: %w", err))
	}
	return fromKubeconfig([]string{filepath.Join(home, ".kube", "config")})
}

func fromPod(host, port string) (*access, error) {
	a := &access{from: "the pod's service account", server: "https://" + net.JoinHostPort(host, port), tokenFile: filepath.Join(serviceAccount, "token")}
	if _, err := readToken(a.tokenFile); err != nil {
		return nil, fmt.Errorf("this is a pod of Kubernetes without a service account's token; set automountServiceAccountToken, or the metadata field kubeconfigPath: %w", err)
	}
	var err error
	if a.authority, err = os.ReadFile(filepath.Join(serviceAccount, "ca.crt")); err != nil {
		return nil, fmt.Errorf("the certificate authority of the pod's service account: %w", err)
	}
	if text, err := os.ReadFile(filepath.Join(serviceAccount, "namespace")); err == nil {
		a.namespace = strings.TrimSpace(string(text))
	}
	return a, nil
}

// kubeconfig is a kubeconfig file, as far as it says how to connect.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []namedContext
	Clusters []namedCluster
	Users    []namedUser
}

type namedContext struct {
	Name    string
	Context struct {
		Cluster, User, Namespace string
	}
}

type namedCluster struct {
	Name    string
	Cluster cluster
}

type namedUser struct {
	Name string
	User user
}

type cluster struct {
	Server        string
	Authority     string `yaml:"certificate-authority"`
	AuthorityData string `yaml:"certificate-authority-data"`
	Insecure      bool   `yaml:"insecure-skip-tls-verify"`
	ServerName    string `yaml:"tls-server-name"`
	Proxy         string `yaml:"proxy-url"`
	folder        string
}

type user struct {
	Cert          string `yaml:"client-certificate"`
	CertData      string `yaml:"client-certificate-data"`
	Key           string `yaml:"client-key"`
	KeyData       string `yaml:"client-key-data"`
	Token         string
	TokenFile     string `yaml:"tokenFile"`
	Username      string
	Password      string
	As            string
	AsUID         string              `yaml:"as-uid"`
	AsGroups      []string            `yaml:"as-groups"`
	AsExtra       map[string][]string `yaml:"as-user-extra"`
	Exec          *plugin
	AuthProvider  *struct{ Name string } `yaml:"auth-provider"`
	folder, named string
}

// fromKubeconfig reads files as kubectl does: of what has the same name the first counts.
func fromKubeconfig(files []string) (*access, error) {
	var all kubeconfig
	var missing error
	read := 0
	for _, file := range files {
		if file == "" {
			continue
		}
		one, err := readKubeconfig(file)
		if errors.Is(err, fs.ErrNotExist) {
			missing = errors.Join(missing, err)
			continue // kubectl leaves it out as well
		}
		if err != nil {
			return nil, err
		}
		read++
		if all.Current == "" {
			all.Current = one.Current
		}
		all.Contexts = append(all.Contexts, one.Contexts...)
		all.Clusters = append(all.Clusters, one.Clusters...)
		all.Users = append(all.Users, one.Users...)
	}
	if read == 0 {
		return nil, component.Permanent(fmt.Errorf("there is no kubeconfig, and this is no pod of Kubernetes, where none is needed; set the metadata field kubeconfigPath: %w", missing))
	}
	a, err := all.access(strings.Join(files, string(filepath.ListSeparator)))
	if err != nil {
		return nil, component.Permanent(err)
	}
	return a, nil
}

var yamlLine = regexp.MustCompile(`line \d+`)

func readKubeconfig(file string) (*kubeconfig, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	var one kubeconfig
	if err := yaml.Unmarshal(text, &one); err != nil {
		// The library's errors quote values, which may be tokens.
		return nil, component.Permanent(fmt.Errorf("kubeconfig %s is not as it should be: %s", file, strings.Join(append(yamlLine.FindAllString(err.Error(), 3), "see kubectl config view"), ", ")))
	}
	for i := range one.Clusters {
		one.Clusters[i].Cluster.folder = filepath.Dir(file)
	}
	for i := range one.Users {
		one.Users[i].User.folder, one.Users[i].User.named = filepath.Dir(file), one.Users[i].Name
	}
	return &one, nil
}

// access resolves the current context.
func (k *kubeconfig) access(files string) (*access, error) {
	a := &access{from: "kubeconfig " + files}
	if k.Current == "" {
		return nil, fmt.Errorf("%s has no current-context; set one with kubectl config use-context", a.from)
	}
	a.from += ", context " + k.Current
	current := slices.IndexFunc(k.Contexts, func(c namedContext) bool { return c.Name == k.Current })
	if current < 0 {
		return nil, fmt.Errorf("%s: there is no such context", a.from)
	}
	of := k.Contexts[current].Context
	a.namespace = of.Namespace
	at := slices.IndexFunc(k.Clusters, func(c namedCluster) bool { return c.Name == of.Cluster })
	if at < 0 {
		return nil, fmt.Errorf("%s: there is no cluster %q", a.from, of.Cluster)
	}
	if err := a.reach(&k.Clusters[at].Cluster); err != nil {
		return nil, err
	}
	if of.User == "" {
		return a, nil
	}
	as := slices.IndexFunc(k.Users, func(u namedUser) bool { return u.Name == of.User })
	if as < 0 {
		return nil, fmt.Errorf("%s: there is no user %q", a.from, of.User)
	}
	if err := a.act(&k.Users[as].User); err != nil {
		return nil, err
	}
	return a, nil
}

// content gives what stands in a field as base64, else in a file.
func (a *access) content(field, data, file, folder string) ([]byte, error) {
	if data != "" {
		out, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %s-data: want base64", a.from, field)
		}
		return out, nil
	}
	if file == "" {
		return nil, nil
	}
	out, err := os.ReadFile(beside(folder, file))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", a.from, field, err)
	}
	return out, nil
}

// beside gives a path that is relative to the kubeconfig.
func beside(folder, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(folder, file)
}

// reach takes over a cluster.
func (a *access) reach(c *cluster) error {
	a.server, a.insecure, a.serverName = c.Server, c.Insecure, c.ServerName
	if c.Proxy != "" {
		var err error
		if a.proxy, err = url.Parse(c.Proxy); err != nil || a.proxy.Host == "" {
			return fmt.Errorf("%s: proxy-url: want a URL such as http://proxy.example.com:3128", a.from)
		}
	}
	var err error
	a.authority, err = a.content("certificate-authority", c.AuthorityData, c.Authority, c.folder)
	return err
}

// act takes over a user.
func (a *access) act(u *user) error {
	if u.AuthProvider != nil {
		return fmt.Errorf("%s: user %s has an auth-provider (%s), which Kubernetes has given up; use exec, a token or a client certificate", a.from, u.named, u.AuthProvider.Name)
	}
	a.token, a.tokenFile = u.Token, beside(u.folder, u.TokenFile)
	a.username, a.password = u.Username, u.Password
	var err error
	if a.certPEM, err = a.content("client-certificate", u.CertData, "", ""); err != nil {
		return err
	}
	if a.keyPEM, err = a.content("client-key", u.KeyData, "", ""); err != nil {
		return err
	}
	if len(a.certPEM) == 0 {
		a.certFile = beside(u.folder, u.Cert)
	}
	if len(a.keyPEM) == 0 {
		a.keyFile = beside(u.folder, u.Key)
	}
	a.impersonate = u.impersonation()
	if u.Exec != nil {
		a.plugin = u.Exec
		return a.plugin.prepare(a, u.folder)
	}
	return nil
}

func (u *user) impersonation() http.Header {
	out := http.Header{}
	if u.As != "" {
		out.Set("Impersonate-User", u.As)
	}
	if u.AsUID != "" {
		out.Set("Impersonate-Uid", u.AsUID)
	}
	for _, group := range u.AsGroups {
		out.Add("Impersonate-Group", group)
	}
	for name, values := range u.AsExtra {
		for _, value := range values {
			out.Add("Impersonate-Extra-"+url.PathEscape(name), value)
		}
	}
	return out
}

func (a *access) hasCertificate() bool {
	return len(a.certPEM) > 0 || len(a.keyPEM) > 0 || a.certFile != "" || a.keyFile != ""
}

// certificate gives the client's certificate as it is now.
func (a *access) certificate() (*tls.Certificate, error) {
	read := func(pem []byte, file string) ([]byte, error) {
		if len(pem) > 0 || file == "" {
			return pem, nil
		}
		return os.ReadFile(file)
	}
	cert, err := read(a.certPEM, a.certFile)
	if err != nil {
		return nil, fmt.Errorf("%s: client-certificate: %w", a.from, err)
	}
	key, err := read(a.keyPEM, a.keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: client-key: %w", a.from, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: client-certificate and client-key: %w", a.from, err)
	}
	return &pair, nil
}
