package crypto

import (
	"context"
	"fmt"
)

// seal encrypts or wraps by one of p's calls. Keys are to be in the form of the contract.
func (p *bound) seal(ctx context.Context, c call[*Operation, Sealed], op *Operation) (Sealed, error) {
	if err := op.check(); err != nil {
		return Sealed{}, p.wrap(err)
	}
	return do(ctx, p, c, op)
}

// open decrypts or unwraps.
func (p *bound) open(ctx context.Context, c call[*Operation, []byte], op *Operation) ([]byte, error) {
	if err := op.check(); err != nil {
		return nil, p.wrap(err)
	}
	return do(ctx, p, c, op)
}

// wrapGiven wraps a key in one of the forms that apps may give.
func (p *bound) wrapGiven(ctx context.Context, op *Operation) (Sealed, error) {
	if err := op.check(); err != nil {
		return Sealed{}, p.wrap(err)
	}
	var err error
	if op.Data, err = keyBytes(op.Data); err != nil {
		return Sealed{}, p.wrap(err)
	}
	return do(ctx, p, p.wrapKey, op)
}

// signed signs a digest.
func (p *bound) signed(ctx context.Context, s *signing) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, p.wrap(err)
	}
	return do(ctx, p, p.sign, s)
}

// verified tells whether a signature is the right one.
func (p *bound) verified(ctx context.Context, s *signing) (bool, error) {
	if err := s.check(); err != nil {
		return false, p.wrap(err)
	}
	return do(ctx, p, p.verify, s)
}

// publicKey gives the public part of a key pair as text, and the name under which the vault has it.
func (p *bound) publicKey(ctx context.Context, key string, format keyFormat) (name, text string, err error) {
	if err := checkName("key name", key); err != nil {
		return "", "", p.wrap(err)
	}
	k, err := do(ctx, p, p.getKey, key)
	if err != nil {
		return "", "", err
	}
	if text, err = k.text(format); err != nil {
		return "", "", p.wrap(fmt.Errorf("key %s: %w", key, err))
	}
	if k.Name == "" {
		k.Name = key
	}
	return k.Name, text, nil
}
