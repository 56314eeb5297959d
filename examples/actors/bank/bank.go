package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
)

// theBank is the id of the one Bank.
const theBank = "main"

// Bank knows the accounts and audits them.
type Bank struct{ ledger ledger }

// ledger is what a bank stores.
type ledger struct {
	Accounts []string `json:"accounts"`
	Audits   int64    `json:"audits"`
}

// Audit is all the money at one point of time.
type Audit struct {
	// Audit numbers the audits.
	Audit    int64 `json:"audit"`
	Accounts int   `json:"accounts"`
	// Total is Balances, the sum of what accounts had, and InFlight, what was on its way between them.
	Total    int64 `json:"total"`
	Balances int64 `json:"balances"`
	InFlight int64 `json:"inFlight"`
}

var (
	banks = actor.Register[Bank]("Bank")
	list  = actor.Method(banks, "list", (*Bank).List)
	enter = actor.Method(banks, "enter", (*Bank).Enter)
	audit = actor.Method(banks, "audit", (*Bank).Audit)

	_ actor.Activator = (*Bank)(nil)
)

// Activate reads the ledger.
func (b *Bank) Activate(c *actor.Context) (err error) {
	b.ledger, _, err = actor.Get[ledger](c, "ledger")
	return err
}

// List gives the accounts by name.
func (b *Bank) List(*actor.Context, actor.None) ([]string, error) { return b.ledger.Accounts, nil }

// Enter adds an account to the list. It comes before the account has money, so that no audit misses any.
func (b *Bank) Enter(c *actor.Context, id string) (actor.None, error) {
	at, found := slices.BinarySearch(b.ledger.Accounts, id)
	if found {
		return actor.None{}, nil
	}
	next := b.ledger
	next.Accounts = slices.Insert(slices.Clone(next.Accounts), at, id)
	return actor.None{}, b.keep(c, next)
}

// Audit counts all money while transfers go on, and stops none of them. It asks every account for its cut, one after
// the other; transfers carry the audit's number along (Account.join), so the cuts fit together as if they were made at
// one moment. Money that a cut holds is in flight if it reached its account after that account's cut.
// Audits are turns of one actor, and so never overlap. One that was interrupted is done again with the same number, and
// so has the same cuts.
func (b *Bank) Audit(c *actor.Context, _ actor.None) (Audit, error) {
	next := b.ledger
	next.Audits++
	out := Audit{Audit: next.Audits, Accounts: len(next.Accounts)}
	holds := map[string]Hold{}
	for _, id := range next.Accounts {
		part, err := cut.Invoke(id, next.Audits)
		if err != nil {
			return out, fmt.Errorf("audit %d: %w", next.Audits, err)
		}
		out.Balances += part.Balance
		maps.Copy(holds, part.Holds)
	}
	for transfer, h := range holds {
		there, err := arrived.Invoke(h.To, Step{ID: transfer, Epoch: next.Audits})
		if err != nil {
			return out, fmt.Errorf("audit %d: %w", next.Audits, err)
		}
		if !there {
			out.InFlight += h.Amount
		}
	}
	out.Total = out.Balances + out.InFlight
	return out, b.keep(c, next)
}

func (b *Bank) keep(c *actor.Context, l ledger) error {
	if err := actor.Set(c, "ledger", l); err != nil {
		return err
	}
	b.ledger = l
	return nil
}
