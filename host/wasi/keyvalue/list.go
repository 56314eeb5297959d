package keyvalue

import (
	"context"
	"sync"

	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
)

// pageSize is how many keys a page has, the most that the state block gives.
const pageSize = 1000

// list gives a page of keys from a token of the store on.
func (b *bucket) list(ctx context.Context, token string) (abistate.KeyPage, *abikv.Error) {
	page, err := b.h.cfg.Stores.ListKeys(ctx, b.store, "", pageSize, token)
	return page, fromState(err)
}

// listAt gives a page of keys after those that come before, and the number of all up to its end; nil at the end of the
// list. Cursors of 0.2.0-draft are such numbers, and a guest may keep one for as long as it likes: where the store's
// token for it is not known any more, the pages before are read again.
func (b *bucket) listAt(ctx context.Context, before uint64) ([]string, *uint64, *abikv.Error) {
	at, token := b.h.pages.find(b.store, before)
	for {
		page, err := b.list(ctx, token)
		if err != nil {
			return nil, nil, err
		}
		end := at + uint64(len(page.Keys))
		if page.Next != nil {
			b.h.pages.note(b.store, end, *page.Next)
		}
		switch {
		case before < end || before == end && page.Next == nil:
			keys := page.Keys[before-at:]
			if page.Next == nil {
				return keys, nil, nil
			}
			return keys, &end, nil
		case page.Next == nil:
			return nil, nil, nil // a cursor beyond the end, which keys that were deleted leave behind
		}
		at, token = end, *page.Next
	}
}

// pages remember the tokens of the pages that were read last, by their store and how many keys come before.
type pages struct {
	mu     sync.Mutex
	tokens map[page]string
	order  []page // the oldest first
}

type page struct {
	store  string
	before uint64
}

// mostPages bounds what is remembered.
const mostPages = 1024

func (p *pages) find(store string, before uint64) (at uint64, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if token, ok := p.tokens[page{store, before}]; ok {
		return before, token
	}
	return 0, ""
}

func (p *pages) note(store string, before uint64, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := page{store, before}
	if _, ok := p.tokens[key]; !ok {
		if len(p.order) >= mostPages {
			delete(p.tokens, p.order[0])
			p.order = p.order[1:]
		}
		p.order = append(p.order, key)
	}
	if p.tokens == nil {
		p.tokens = map[page]string{}
	}
	p.tokens[key] = token
}
