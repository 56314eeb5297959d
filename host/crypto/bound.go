package crypto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// bound is a vault as one app sees it, every call through the chain. Points and function values are made once.
type bound struct {
	name string
	log  *slog.Logger

	encrypt, wrapKey   call[*Operation, Sealed]
	decrypt, unwrapKey call[*Operation, []byte]
	sign               call[*signing, []byte]
	verify             call[*signing, bool]
	getKey             call[string, PublicKey]
	algorithms         call[struct{}, Algorithms]
}

// signing is what Sign and Verify work on; Sign has no signature.
type signing struct {
	key, algorithm    string
	digest, signature []byte
}

// call is one method of a vault.
type call[Req, Res any] struct {
	point *chain.Point
	fn    func(context.Context, Req) (Res, error)
}

// newBound binds a vault to an app; label is the app's name in the chain.
func newBound(o *component.Opened[Provider], label string, ch *chain.Chain, log *slog.Logger) *bound {
	p := &bound{name: o.Decl.Name, log: log}
	point := func(name string) *chain.Point {
		return ch.Point(chain.Op{Direction: chain.Outbound, Block: "crypto", Name: name, Target: o.Decl.Name, Type: o.Type, App: label})
	}
	d := o.Driver
	p.encrypt = safe(p, point("encrypt"), "encrypt", errVault, d.Encrypt)
	p.wrapKey = safe(p, point("wrap-key"), "wrap key", errVault, d.WrapKey)
	// What a vault calls neither a failed decryption nor anything else may be one all the same.
	p.decrypt = safe(p, point("decrypt"), "decrypt", ErrFailed, d.Decrypt)
	p.unwrapKey = safe(p, point("unwrap-key"), "unwrap key", ErrFailed, d.UnwrapKey)
	p.sign = safe(p, point("sign"), "sign", errVault, func(ctx context.Context, s *signing) ([]byte, error) {
		return d.Sign(ctx, s.key, s.algorithm, s.digest)
	})
	p.verify = safe(p, point("verify"), "verify signature", errVault, func(ctx context.Context, s *signing) (bool, error) {
		return d.Verify(ctx, s.key, s.algorithm, s.digest, s.signature)
	})
	// These two work on nothing secret.
	p.getKey = call[string, PublicKey]{point("get-key"), d.PublicKey}
	p.algorithms = call[struct{}, Algorithms]{point("list-algorithms"), func(ctx context.Context, _ struct{}) (Algorithms, error) {
		return d.Algorithms(ctx)
	}}
	return p
}

// safe makes a call whose errors tell nothing that would help who guesses. They are made so inside of the chain: what
// policies say for themselves stays, and traces have nothing more than apps have.
func safe[Req, Res any](p *bound, point *chain.Point, doing string, otherwise error, fn func(context.Context, Req) (Res, error)) call[Req, Res] {
	return call[Req, Res]{point, func(ctx context.Context, req Req) (Res, error) {
		res, err := fn(ctx, req)
		if err != nil {
			return *new(Res), p.told(ctx, doing, otherwise, err)
		}
		return res, nil
	}}
}

// do makes a call and says which component failed.
func do[Req, Res any](ctx context.Context, p *bound, c call[Req, Res], req Req) (Res, error) {
	res, err := chain.Do(ctx, c.point, c.fn, req)
	if err != nil {
		return *new(Res), p.wrap(err)
	}
	return res, nil
}

// wrap says which component failed.
func (p *bound) wrap(err error) error { return fmt.Errorf("crypto component %s: %w", p.name, err) }

// errVault is a failure that the vault reports in a way of its own.
var errVault = errors.New("the vault reported a failure")

// told gives what apps may know of an error: all of it where it is about the request and not about what is encrypted. An
// error that is of no known class is told as one of the class otherwise. The rest goes to the debug log.
func (p *bound) told(ctx context.Context, doing string, otherwise, err error) error {
	permanent := false
	if asked, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err); ok {
		permanent = asked.Permanent()
	}
	out := &opaque{doing: doing, class: otherwise, permanent: permanent}
	switch {
	case errors.Is(err, ErrFailed):
		out.class = ErrFailed
	case tellable(err):
		return fmt.Errorf("failed to %s: %w", doing, err)
	}
	p.log.DebugContext(ctx, "crypto operation failed", "component", p.name, "operation", doing, "error", err)
	return out
}

// tellable tells whether an error is about the request, or about the way to the vault.
func tellable(err error) bool {
	for _, class := range []error{ErrKeyNotFound, ErrInvalid, ErrUnavailable, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// opaque is an error whose text says no more than what has failed.
type opaque struct {
	doing     string
	class     error
	permanent bool
}

// Error says what has failed.
func (o *opaque) Error() string { return "failed to " + o.doing }

// Unwrap gives the class.
func (o *opaque) Unwrap() error { return o.class }

// Permanent tells that the same request will fail again.
func (o *opaque) Permanent() bool { return o.permanent }
