package host

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"path/filepath"

	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// secretsFile is where the embedded secret store looks, beside the manifest.
const secretsFile = "secrets.json"

// openSecrets opens the secret stores, which the secretKeyRefs of everything else are read from. From then on the log
// does not show what they gave.
func (h *Host) openSecrets(ctx context.Context) error {
	m := h.opts.Manifest
	cfg := secret.ResolverConfig{
		Drivers: h.opts.Drivers.Secret, Apps: m.AppNames(), Env: component.Env{
			DataDir: h.data.path, Namespace: h.opts.Namespace, Log: h.log, Plugins: h.plugins, Opened: h.noteOpened,
		},
		Default: secret.DefaultDecl(h.defaultSecrets()),
		Made:    func(r *secret.Resolver) error { return h.earlyBlocks(ctx, r) },
	}
	for _, d := range h.declared {
		if c := m.Component(d.Name); c != nil && c.Block() == secret.Kind {
			cfg.Decls = append(cfg.Decls, secret.Decl{Decl: d, Secrets: refs(c.Secrets)})
		}
	}
	var err error
	if h.secrets, err = secret.NewResolver(ctx, cfg); err != nil {
		return err
	}
	h.closers = append(h.closers, h.secrets.Close)
	h.log = h.secrets.Log(h.log)
	return errors.Join(h.fillComponents(ctx), h.fillEndpoints(ctx))
}

// defaultSecrets is the file of the embedded secret store: in the folder of the manifest's first file.
func (h *Host) defaultSecrets() string {
	if files := h.opts.Manifest.Files; len(files) > 0 {
		return filepath.Join(filepath.Dir(files[0]), secretsFile)
	}
	return secretsFile
}

// fillComponents gives the declarations of all components but the secret stores, with their secrets.
func (h *Host) fillComponents(ctx context.Context) error {
	var errs []error
	for _, declared := range h.declared {
		c := h.opts.Manifest.Component(declared.Name)
		if c == nil || c.Block() == secret.Kind {
			continue
		}
		d, err := h.secrets.Fill(ctx, declared, refs(c.Secrets))
		switch {
		case err == nil:
		case c.Spec.IgnoreErrors:
			d = declared
			d.Err = err
		default:
			errs = append(errs, err)
			continue
		}
		h.components = append(h.components, d)
	}
	return errors.Join(errs...)
}

// fillEndpoints reads the headers and certificates of HTTP endpoints, and the headers of the trace exporter.
func (h *Host) fillEndpoints(ctx context.Context) error {
	var errs []error
	h.fields = map[string]map[string]string{}
	read := func(owner string, list []manifest.SecretRef) {
		values, err := h.secrets.Resolve(ctx, owner, refs(list), 0)
		if err != nil {
			errs = append(errs, err)
		}
		h.fields[owner] = values
	}
	for _, e := range h.opts.Manifest.HTTPEndpoints {
		read(endpointOwner(e.Name()), e.Secrets)
	}
	if t := h.opts.Manifest.Configuration().Tracing; t != nil && t.Otel != nil {
		read(otelOwner, t.Otel.Secrets)
	}
	return errors.Join(errs...)
}

// otelOwner and endpointOwner name whose fields are read, for errors.
const otelOwner = "Configuration: spec.tracing.otel"

func endpointOwner(name string) string { return "HTTPEndpoint " + name }

// withSecrets gives values and those of an owner's that secret stores gave.
func (h *Host) withSecrets(owner string, values map[string]string) map[string]string {
	out := maps.Clone(values)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, h.fields[owner])
	return out
}

// refs gives references in the form of the secret block.
func refs(list []manifest.SecretRef) []secret.Ref {
	out := make([]secret.Ref, len(list))
	for i, r := range list {
		out[i] = secret.Ref{Field: r.Field, Store: r.Store, Name: r.Name, Key: r.Key, Where: r.Pos.String()}
	}
	return out
}

// declOf gives a component in the form of its block.
func declOf(c *manifest.Component) component.Decl {
	d := component.Decl{
		Name: c.Name(), Type: c.Spec.Type, Version: c.Spec.Version, Where: c.Pos.String(), Metadata: maps.Clone(c.Values()),
		Scopes: c.Scopes, IgnoreErrors: c.Spec.IgnoreErrors, InitTimeout: c.Spec.InitTimeout,
	}
	atManifest(&d, c.Pos.File)
	return d
}

// secretScopes gives which secrets an app may read. All apps of a host have one Configuration.
func (h *Host) secretScopes(string) []secret.Scope {
	spec := h.opts.Manifest.Configuration().Secrets
	if spec == nil {
		return nil
	}
	out := make([]secret.Scope, len(spec.Scopes))
	for i, s := range spec.Scopes {
		out[i] = secret.Scope{Store: s.StoreName, DefaultAccess: s.DefaultAccess, Allowed: s.AllowedSecrets, Denied: s.DeniedSecrets}
	}
	return out
}

// openSecretBlock makes the block that gives secrets to apps.
func (h *Host) openSecretBlock(callerApp func(*http.Request) string) {
	h.blocks.all = append(h.blocks.all, secret.New(secret.Config{
		Resolver: h.secrets, Apps: h.names, HideDefault: !h.importer(abisecret.StoreModule), Scopes: h.secretScopes, Chain: h.chain, CallerApp: callerApp,
	}))
}
