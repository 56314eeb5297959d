package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abiwasicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	abiwasihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/log"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// subscriberModule is the interface of apps that have subscriptions.
const subscriberModule = abipubsub.SubscriberModule

// blocks are the building blocks of a host: all of them, and by name those that the composition talks to.
type blocks struct {
	all   []block.Block
	http  *http.Block
	actor *actor.Block
}

// exportFuncs are the functions that apps may export, for checking their signatures.
func exportFuncs() []abi.Func {
	return slices.Concat(abihttp.HandlerExports(), abiinvoke.ServiceExports(),
		abipubsub.SubscriberExports(), abipubsub.BulkSubscriberExports(), abiactor.ActorExports(),
		abibinding.TriggerExports(), abiconfiguration.HandlerExports(),
		abiwasihttp.IncomingHandlerExports(), abiwasicli.RunExports(), standardExports())
}

// exports are the handler interfaces that some block calls.
func (h *Host) exports() []string {
	var out []string
	for _, f := range exportFuncs() {
		if !slices.Contains(out, f.Module) {
			out = append(out, f.Module)
		}
	}
	return out
}

// openBlocks makes the blocks, the most independent first, and opens their components.
func (h *Host) openBlocks(ctx context.Context) error {
	h.blocks.all = append(h.blocks.all, log.New(log.Config{Log: h.log}))
	front, err := http.New(http.Config{
		Address: h.opts.HTTPAddr, Apps: h.httpConfig, Stream: streamer(), Chain: h.chain, Telemetry: h.tel, Log: h.log,
	})
	if err != nil {
		return err
	}
	h.blocks.http = front
	h.blocks.all = append(h.blocks.all, front)
	calls, err := invoke.New(invoke.Config{
		Apps: h.app, Names: func() []string { return h.names }, Endpoints: h.endpoints(), Outbound: front.Outbound,
		Namespace: h.opts.Namespace, Chain: h.chain, Telemetry: h.tel, Log: h.log,
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, calls)
	h.openSecretBlock(api.CallerApp)
	if err := errors.Join(h.provide(ctx, front), h.provide(ctx, h.blocks.all[len(h.blocks.all)-1])); err != nil {
		return err
	}
	var errs []error
	open := map[string]func(context.Context) error{
		"state": h.openState, "pubsub": h.openTopics, "configuration": h.openConfiguration, "lock": h.openLocks, "crypto": h.openCrypto,
		"bindings": h.openBindings, "middleware": h.openMiddleware,
	}
	for _, kind := range plugin.Kinds([]string{"state", "pubsub", "configuration", "lock", "crypto", "bindings", "middleware"}, h.components) {
		errs = append(errs, open[kind](ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return h.secrets.Redact(err)
	}
	return h.openStandards()
}

// openState makes the block of state stores, and with it that of actors.
func (h *Host) openState(ctx context.Context) error {
	store, err := state.New(ctx, state.Config{
		Drivers: h.opts.Drivers.State, Decls: h.decls("state", h.usesState()), Apps: h.names,
		Env: h.env(), Chain: h.chain, Log: h.log, CallerApp: api.CallerApp,
		Made: func(b *state.Block) error { return h.provide(ctx, b) },
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, store)
	return h.openActors(ctx, store)
}

// openTopics makes the block of pubsub brokers.
func (h *Host) openTopics(ctx context.Context) error {
	topics, err := pubsub.New(ctx, pubsub.Config{
		Drivers: h.opts.Drivers.PubSub, Decls: h.decls("pubsub", h.usesTopics()), Apps: h.names,
		Subscriptions: h.declaredSubscriptions(), Receivers: receivers(), Env: h.env(), Chain: h.chain, Trace: traces{h.tel}, Log: h.log, CallerApp: api.CallerApp,
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, topics)
	return h.provide(ctx, topics)
}

func (h *Host) app(name string) (block.App, bool) {
	a, ok := h.apps[name]
	return a, ok
}

func (h *Host) httpConfig(name string) http.AppConfig {
	if component, isPlugin := component.PluginOf(name); isPlugin {
		return http.AppConfig{Hidden: true, AllowHosts: h.plugins.AllowHosts(component)}
	}
	spec := h.apps[name].spec
	return http.AppConfig{Routes: routes(spec), Hidden: len(spec.Routes()) == 0, AllowHosts: spec.Spec.Allow.Hosts}
}

func routes(spec *manifest.App) []string {
	var out []string
	for _, r := range spec.Routes() {
		out = append(out, r.String())
	}
	return out
}

func (h *Host) env() component.Env {
	return component.Env{DataDir: h.data.path, Namespace: h.opts.Namespace, Log: h.log, Embedded: h.embed, Plugins: h.plugins, Redact: h.secrets.Redact, Opened: h.noteOpened}
}

func (h *Host) importer(iface string) bool {
	return slices.ContainsFunc(h.names, func(n string) bool { return h.apps[n].imports(iface) })
}

func (h *Host) usesTopics() bool {
	return len(h.opts.Manifest.Subscriptions) > 0 || h.importer(abipubsub.PublisherModule) || h.importsOf("wasi:messaging")
}

// embeddedDefault is the component of a kind that a host has when its manifest declares none.
func embeddedDefault(kind string) component.Decl {
	names := map[string][2]string{
		"state": {"statestore", "state.sqlite"}, "pubsub": {"pubsub", "pubsub.jetstream"},
		"configuration": {"configstore", "configuration.sqlite"}, "lock": {"lockstore", "lock.sqlite"},
	}
	d := names[kind]
	return component.Decl{Name: d[0], Type: d[1], Where: "embedded default"}
}

// decls gives the components of a kind; the embedded default if the manifest has none and something uses the block.
func (h *Host) decls(kind string, used bool) []component.Decl {
	var out []component.Decl
	for _, d := range h.components {
		if block, _, _ := strings.Cut(d.Type, "."); strings.EqualFold(block, kind) {
			out = append(out, d)
		}
	}
	if len(out) == 0 && used {
		out = append(out, embeddedDefault(kind))
	}
	return out
}

// openConfiguration makes the block of configuration stores.
func (h *Host) openConfiguration(ctx context.Context) error {
	cfg := configuration.Config{
		Drivers: h.opts.Drivers.Configuration, Apps: h.names, Env: h.env(), Chain: h.chain, Root: h.tel.Root, Log: h.log, CallerApp: api.CallerApp,
	}
	for _, app := range h.opts.Manifest.Apps {
		for _, d := range app.Spec.Configuration {
			cfg.Declared = append(cfg.Declared, configuration.Declaration{App: app.Name(), Store: d.Store, Keys: d.Keys, Where: d.Pos.String()})
		}
	}
	cfg.Decls = h.decls("configuration", h.usesConfiguration())
	b, err := configuration.New(ctx, cfg)
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, b)
	return h.provide(ctx, b)
}

// openLocks makes the block of lock stores.
func (h *Host) openLocks(ctx context.Context) error {
	b, err := lock.New(ctx, lock.Config{
		Drivers: h.opts.Drivers.Lock, Decls: h.decls("lock", h.importer(abilock.StoreModule)), Apps: h.names, Env: h.env(), Chain: h.chain,
		CallerApp: api.CallerApp,
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, b)
	return h.provide(ctx, b)
}

// openCrypto makes the block of crypto providers. There is no embedded default: keys have to be declared.
func (h *Host) openCrypto(ctx context.Context) error {
	b, err := crypto.New(ctx, crypto.Config{
		Drivers: h.opts.Drivers.Crypto, Decls: h.decls("crypto", false), Apps: h.names, Env: h.env(), Chain: h.chain,
		Log: h.log, CallerApp: api.CallerApp,
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, b)
	return h.provide(ctx, b)
}

// openBindings makes the block of bindings. There is no embedded default: a binding says what it is bound to.
func (h *Host) openBindings(ctx context.Context) error {
	b, err := binding.New(ctx, binding.Config{
		Drivers: h.opts.Drivers.Binding, Decls: h.decls("bindings", false), Apps: h.names, Env: h.env(), Chain: h.chain,
		Trace: traces{h.tel}, Mount: h.blocks.http.Front().Handle, Log: h.log, CallerApp: api.CallerApp,
	})
	if err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, b)
	return h.provide(ctx, b)
}

// declaredSubscriptions gives the manifest's subscriptions in the block's form.
func (h *Host) declaredSubscriptions() []pubsub.SubscriptionDecl {
	out := make([]pubsub.SubscriptionDecl, 0, len(h.opts.Manifest.Subscriptions))
	for _, s := range h.opts.Manifest.Subscriptions {
		d := pubsub.SubscriptionDecl{
			Name: s.Name(), PubSub: s.Spec.Pubsub, Topic: s.Spec.Topic, Default: s.Spec.Routes.Default,
			DeadLetterTopic: s.Spec.DeadLetterTopic, Metadata: s.Spec.Metadata, Scopes: s.Scopes, Where: s.Pos.String(),
		}
		d.Bulk = pubsub.BulkDecl{
			Enabled: s.Spec.BulkSubscribe.Enabled, MaxMessages: s.Spec.BulkSubscribe.MaxMessagesCount,
			MaxAwait: time.Duration(s.Spec.BulkSubscribe.MaxAwaitDurationMs) * time.Millisecond,
		}
		for _, r := range s.Spec.Routes.Rules {
			d.Rules = append(d.Rules, pubsub.RuleDecl{Match: r.Match, Path: r.Path})
		}
		out = append(out, d)
	}
	return out
}

// endpoints gives the manifest's HTTP endpoints in the block's form.
func (h *Host) endpoints() []invoke.Endpoint {
	out := make([]invoke.Endpoint, 0, len(h.opts.Manifest.HTTPEndpoints))
	for _, e := range h.opts.Manifest.HTTPEndpoints {
		end := invoke.Endpoint{Name: e.Name(), BaseURL: e.Spec.BaseURL, Scopes: e.Scopes}
		owner := endpointOwner(e.Name())
		secrets := h.fields[owner]
		values := maps.Clone(e.HeaderValues())
		if values == nil {
			values = map[string]string{}
		}
		for _, ref := range e.Secrets {
			if !strings.HasPrefix(ref.Field, tlsFields) {
				values[ref.Field] = secrets[ref.Field]
			}
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			end.Headers = append(end.Headers, invoke.Header{Name: name, Value: values[name]})
		}
		if tls := e.Spec.ClientTLS; tls != nil {
			end.TLS = &invoke.ClientTLS{
				RootCA: text(tls.RootCA, secrets, "rootCA"), Certificate: text(tls.Certificate, secrets, "certificate"),
				PrivateKey:    text(tls.PrivateKey, secrets, "privateKey"),
				Renegotiation: tls.Renegotiation,
			}
		}
		out = append(out, end)
	}
	return out
}

// tlsFields begins the names of secrets that are parts of an endpoint's TLS.
const tlsFields = "clientTLS."

// text gives a part of an endpoint's TLS: its value, or its secret.
func text(v *manifest.TLSValue, secrets map[string]string, name string) string {
	switch {
	case v == nil:
		return ""
	case v.SecretKeyRef != nil:
		return secrets[tlsFields+name]
	default:
		return v.Value.Text
	}
}

// traces carries trace context through events.
type traces struct{ tel *telemetry.Telemetry }

// Inject gives the trace context of ctx.
func (traces) Inject(ctx context.Context) (traceparent, tracestate string) {
	telemetry.Inject(ctx, func(key, value string) {
		switch key {
		case "traceparent":
			traceparent = value
		case "tracestate":
			tracestate = value
		}
	})
	return traceparent, tracestate
}

// Extract gives ctx with a trace context, or with a new trace if there is none.
func (t traces) Extract(ctx context.Context, traceparent, tracestate string) context.Context {
	return t.tel.Root(telemetry.Extract(ctx, func(key string) string {
		switch key {
		case "traceparent":
			return traceparent
		case "tracestate":
			return tracestate
		default:
			return ""
		}
	}))
}

// newTelemetry sets up traces and metrics from the manifest's Configuration.
func (h *Host) newTelemetry(ctx context.Context) (*telemetry.Telemetry, error) {
	o := h.opts
	cfg := telemetry.Config{Version: o.Version, Log: h.log}
	if t := o.Manifest.Configuration().Tracing; t != nil {
		cfg.Tracing.SamplingRate = t.SamplingRate
		cfg.Tracing.Stdout = t.Stdout != nil && *t.Stdout
		if otel := t.Otel; otel != nil {
			cfg.Tracing.OTLP = telemetry.OTLP{
				Endpoint: otel.EndpointAddress, Protocol: otel.Protocol, Insecure: otel.IsSecure != nil && !*otel.IsSecure,
				Headers: h.withSecrets(otelOwner, otel.HeaderValues()), TimeoutMs: int(otel.Timeout.Milliseconds()),
			}
		}
	}
	tel, err := telemetry.New(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return tel, nil
}

// newAPI makes the server of Dapr's HTTP API.
func (h *Host) newAPI() (*api.Server, error) {
	return api.New(api.Config{
		Address: h.opts.APIAddr, Token: h.opts.APIToken, ID: "mrt-wasm", Version: h.opts.Version,
		Blocks: h.blocks.all, Apps: h.apiApps, DefaultApp: h.onlyApp, Chain: h.chain, Telemetry: h.tel, Log: h.log,
		Middleware: h.apiPipeline.Wrap,
		Shutdown:   func(bool) { h.once.Do(func() { close(h.shutdown) }) },
	})
}

// onlyApp is the app on whose behalf a call of the API is made that names none.
func (h *Host) onlyApp() string {
	if len(h.names) == 1 {
		return h.names[0]
	}
	return ""
}
