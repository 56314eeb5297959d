package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// plugin is a program that gives credentials, as the kubeconfigs of clouds have it.
type plugin struct {
	Version string `yaml:"apiVersion"`
	Command string
	Args    []string
	Env     []struct{ Name, Value string }
	Hint    string `yaml:"installHint"`
	Mode    string `yaml:"interactiveMode"`
	Cluster bool   `yaml:"provideClusterInfo"`

	from string
	info string // what the program is told, as JSON
	turn chan struct{}
	last *credentials // belongs to who has the turn
}

// credentials are what a plugin gave.
type credentials struct {
	token       string
	certificate *tls.Certificate
	expires     time.Time
}

// The limits of a plugin.
const (
	pluginTimeout = 60 * time.Second
	maxCredential = 1 << 20
	early         = 10 * time.Second // before the credentials expire
)

// prepare checks the settings.
func (p *plugin) prepare(a *access, folder string) error {
	p.from, p.turn = a.from, make(chan struct{}, 1)
	switch {
	case p.Command == "":
		return fmt.Errorf("%s: exec: the command is missing", a.from)
	case !slices.Contains([]string{"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}, p.Version):
		return fmt.Errorf("%s: exec: apiVersion: want client.authentication.k8s.io/v1 or v1beta1, found %q", a.from, p.Version)
	case p.Mode == "Always":
		return fmt.Errorf("%s: exec: %s wants to ask somebody (interactiveMode Always), and nobody is there; use another user", a.from, p.Command)
	}
	if strings.ContainsRune(p.Command, filepath.Separator) {
		p.Command = beside(folder, p.Command)
	}
	spec := map[string]any{"interactive": false}
	if p.Cluster {
		spec["cluster"] = map[string]any{
			"server": a.server, "certificate-authority-data": a.authority, "insecure-skip-tls-verify": a.insecure, "tls-server-name": a.serverName,
		}
	}
	info, err := json.Marshal(map[string]any{"apiVersion": p.Version, "kind": "ExecCredential", "spec": spec})
	p.info = string(info)
	return err
}

// credentials gives those that are good now; refused are some that the server did not take, nil for none.
func (p *plugin) credentials(ctx context.Context, refused *credentials) (*credentials, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.last != nil && p.last != refused && (p.last.expires.IsZero() || time.Now().Add(early).Before(p.last.expires)) {
		return p.last, nil
	}
	got, err := p.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: exec: %s %w", secret.ErrUnavailable, p.from, p.Command, err)
	}
	p.last = got
	return got, nil
}

// run runs the program. What it writes is in no error: nobody knows what that may be.
func (p *plugin) run(ctx context.Context) (*credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, pluginTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Command, p.Args...)
	cmd.Env = append(os.Environ(), "KUBERNETES_EXEC_INFO="+p.info)
	for _, e := range p.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	out := &bounded{}
	cmd.Stdout, cmd.WaitDelay = out, 2*time.Second
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("is not installed. %s", p.Hint)
		}
		return nil, fmt.Errorf("failed (%w); run it by hand to see why", err)
	}
	var reply struct {
		Kind   string
		Status struct {
			Token                 string
			ExpirationTimestamp   time.Time
			ClientCertificateData string
			ClientKeyData         string
		}
	}
	if json.Unmarshal(out.kept.Bytes(), &reply) != nil || reply.Kind != "ExecCredential" {
		return nil, errors.New("gave no ExecCredential in JSON; run it by hand to see what it gives")
	}
	got := &credentials{token: reply.Status.Token, expires: reply.Status.ExpirationTimestamp}
	if reply.Status.ClientCertificateData != "" {
		pair, err := tls.X509KeyPair([]byte(reply.Status.ClientCertificateData), []byte(reply.Status.ClientKeyData))
		if err != nil {
			return nil, fmt.Errorf("gave a certificate that does not go with its key: %w", err)
		}
		got.certificate = &pair
	}
	if got.token == "" && got.certificate == nil {
		return nil, errors.New("gave neither a token nor a certificate")
	}
	return got, nil
}

// bounded keeps what a program writes, as long as it is not too much.
type bounded struct{ kept bytes.Buffer }

// Write fails when it is too much.
func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > maxCredential {
		return 0, fmt.Errorf("more than %d bytes", maxCredential)
	}
	return b.kept.Write(p)
}
