package invoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// call is one call on its way through the chain.
type call struct {
	block          *Block
	caller, target string
	req            Request
	frame          *frame

	// One of these is what is called.
	app      block.App
	endpoint *endpoint
	url      string

	// guarded tells that a policy wants to know of answers whose status says that the call failed.
	guarded bool
}

// frame is one call of the nest that a call is in.
type frame struct {
	parent *frame
	app    string
	depth  int
}

type frameKey struct{}

// path names the innermost apps of the nest, the outermost first.
func (f *frame) path() string {
	var names []string
	for ; f != nil && len(names) < 6; f = f.parent {
		names = append(names, f.app)
	}
	slices.Reverse(names)
	if f != nil {
		names = append([]string{"..."}, names...)
	}
	return strings.Join(names, " -> ")
}

// Invoke calls target on behalf of caller, an app's name or "" for the outside, and waits for the answer. Every
// error is an *Error. Errors of the callee's code are answers, with their status.
func (b *Block) Invoke(ctx context.Context, caller, target string, req Request) (Response, error) {
	start := time.Now()
	c := &call{block: b, caller: caller, target: target, req: req}
	if err := c.resolve(); err != nil {
		return Response{}, err
	}
	if err := c.check(); err != nil {
		return Response{}, err
	}
	parent, _ := ctx.Value(frameKey{}).(*frame)
	c.frame = &frame{parent: parent, app: c.target, depth: 1}
	if parent != nil {
		c.frame.depth = parent.depth + 1
	}
	if c.frame.depth > b.cfg.MaxDepth {
		return Response{}, &Error{Tag: abiinvoke.ErrorFailed, Failed: fmt.Sprintf(
			"calls nest deeper than %d; do apps call each other without end? %s", b.cfg.MaxDepth, c.frame.path())}
	}
	point := b.point(c)
	c.guarded = point.Guarded()
	res, err := chain.Do(context.WithValue(ctx, frameKey{}, c.frame), point, run, c)
	if _, answered := errors.AsType[*chain.StatusError](err); err != nil && !answered {
		return Response{}, explain(err, time.Since(start))
	}
	res.Headers = clean(res.Headers, false)
	return res, nil
}

// resolve finds what the name means.
func (c *call) resolve() error {
	if app, ok := c.block.cfg.Apps(c.target); ok {
		c.app = app
		return c.invocable()
	}
	if e := c.block.endpoints[c.target]; e != nil {
		if !e.visible(c.caller) {
			return &Error{Tag: abiinvoke.ErrorDenied, Denied: fmt.Sprintf("HTTPEndpoint %s is not for app %s (its scopes say so)", c.target, c.caller)}
		}
		c.endpoint = e
		return nil
	}
	if strings.HasPrefix(c.target, "http://") || strings.HasPrefix(c.target, "https://") {
		c.url = c.target
		return nil
	}
	if name, ok := strings.CutSuffix(c.target, "."+c.block.cfg.Namespace); ok {
		if app, ok := c.block.cfg.Apps(name); ok {
			c.app, c.target = app, name
			return c.invocable()
		}
	}
	known := "there is none"
	if names := c.block.known(); len(names) > 0 {
		known = "there are " + strings.Join(names, ", ")
	}
	return &Error{Tag: abiinvoke.ErrorAppNotFound, AppNotFound: fmt.Sprintf("no app or HTTPEndpoint is called %q: %s", clip(c.target, 100), known)}
}

func (c *call) invocable() error {
	if c.app.Handles(abiinvoke.ServiceModule) || c.app.Handles(abihttp.HandlerModule) {
		return nil
	}
	return &Error{Tag: abiinvoke.ErrorNotInvocable, NotInvocable: fmt.Sprintf(
		"app %s takes no calls: it exports neither %s nor %s", c.target, abiinvoke.ServiceModule, abihttp.HandlerModule)}
}

func (b *Block) known() []string {
	names := slices.Clone(b.cfg.Names())
	for name := range b.endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// check refuses what no callee could take.
func (c *call) check() error {
	if c.req.Verb == "" {
		c.req.Verb = "POST"
	}
	if !wire.ValidMethod(c.req.Verb) {
		return &Error{Tag: abiinvoke.ErrorFailed, Failed: fmt.Sprintf("verb: expected one like POST, found %q", clip(c.req.Verb, 40))}
	}
	c.req.Path = normalPath(c.req.Path)
	c.req.Headers = clean(c.req.Headers, true)
	return nil
}

// pointKey is what a chain.Point of an invocation depends on.
type pointKey struct{ caller, target, typ string }

// point gives the place in the chain. Names that anybody may make up are not told apart, so that their number is
// bounded by what the manifest declares.
func (b *Block) point(c *call) *chain.Point {
	key := pointKey{caller: c.caller, target: c.target}
	switch {
	case c.url != "":
		key.target, key.typ = "url", "http"
	case c.endpoint != nil:
		key.typ = "http"
	}
	if _, ok := b.cfg.Apps(c.caller); !ok {
		key.caller = ""
	}
	if p, ok := b.points.Load(key); ok {
		return p.(*chain.Point)
	}
	p, _ := b.points.LoadOrStore(key, b.cfg.Chain.Point(chain.Op{
		Direction: chain.Invoke, Block: "invoke", Name: "invoke", Target: key.target, Type: key.typ, App: key.caller,
	}))
	return p.(*chain.Point)
}

// run is the call inside of the chain.
func run(ctx context.Context, c *call) (Response, error) {
	req := c.req
	req.Headers = make([]Header, 0, len(c.req.Headers)+5)
	req.Headers = append(req.Headers, c.req.Headers...)
	add := func(name, value string) { req.Headers = append(req.Headers, Header{Name: name, Value: value}) }
	if c.caller != "" {
		add("dapr-caller-app-id", c.caller)
	}
	add("dapr-callee-app-id", c.target)
	telemetry.Inject(ctx, func(name, value string) {
		// A caller may have put something into its baggage.
		if name != "baggage" || !slices.ContainsFunc(c.req.Headers, func(h Header) bool { return strings.EqualFold(h.Name, name) }) {
			add(name, value)
		}
	})
	var res Response
	var err error
	if c.app == nil {
		res, err = c.remote(ctx, req)
	} else {
		err = c.app.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
			res, err = c.local(ctx, g, req)
			return err
		})
	}
	if err == nil {
		telemetry.HTTPStatus(ctx, req.Verb, "/"+req.Path, int(res.Status))
		if c.guarded && (res.Status < 200 || res.Status > 399) {
			return res, &chain.StatusError{Status: int(res.Status)}
		}
	}
	return res, err
}

// local calls the app in this host.
func (c *call) local(ctx context.Context, g abi.Guest, req Request) (Response, error) {
	if c.app.Handles(abiinvoke.ServiceModule) {
		return abiinvoke.CallServiceHandle(ctx, g, c.caller, req)
	}
	in := abihttp.Request{
		Method: req.Verb, Scheme: "http", Authority: c.target, Path: "/" + req.Path, Query: req.Query,
		Headers: make([]abihttp.Header, len(req.Headers)), Body: req.Body,
	}
	for i, h := range req.Headers {
		in.Headers[i] = abihttp.Header(h)
	}
	out, err := abihttp.CallHandlerHandle(ctx, g, in)
	if err != nil {
		return Response{}, err
	}
	res := Response{Status: out.Status, Headers: make([]Header, len(out.Headers)), Body: out.Body}
	for i, h := range out.Headers {
		res.Headers[i] = Header(h)
	}
	return res, nil
}

// explain gives the contract's error of an error.
func explain(err error, elapsed time.Duration) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if full, ok := errors.AsType[*block.ErrOverloaded](err); ok {
		return &Error{Tag: abiinvoke.ErrorOverloaded, Overloaded: uint32(full.RetryAfter / time.Millisecond)}
	}
	if denied, ok := errors.AsType[*wire.DeniedError](err); ok {
		return &Error{Tag: abiinvoke.ErrorDenied, Denied: denied.Reason}
	}
	trap, isTrap := errors.AsType[*abi.Trap](err)
	if isTrap && trap.Kind == abi.TrapTimeout || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Tag: abiinvoke.ErrorTimeout, Timeout: uint32(elapsed / time.Millisecond)}
	}
	return &Error{Tag: abiinvoke.ErrorFailed, Failed: err.Error()}
}
