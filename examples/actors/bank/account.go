package main

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
)

// markTTL is how long an account remembers which transfers it has done. A transfer that is interrupted is resumed
// after seconds, or when the host is back: the host must not be down for longer than this.
const markTTL = 7 * 24 * time.Hour

// recent is how many outgoing transfers an account lists.
const recent = 5

// Account holds money. The manifest says that it is atomic: when a turn fails, memory is again as the turn found it, so
// methods change memory as they go and check last.
type Account struct {
	book book
	// turns and since are in memory only. They outlive hibernation and a planned restart, but not a crash.
	turns int
	since time.Time
}

// book is what an account stores.
type book struct {
	Open    bool  `json:"open"`
	Balance int64 `json:"balance"`
	// Holds is money that has left the account for others and may not have arrived, by transfer.
	Holds map[string]Hold `json:"holds,omitempty"`
	Sent  []Sent          `json:"sent,omitempty"`
	// Epoch is the last audit that the account knows of, Cut what it had when it learnt of it.
	Epoch int64 `json:"epoch,omitempty"`
	Cut   Cut   `json:"cut,omitzero"`
}

// Hold is money on its way.
type Hold struct {
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// Sent is a line about an outgoing transfer.
type Sent struct {
	ID string `json:"id"`
	Hold
	Time time.Time `json:"time"`
}

// Cut is an account as an audit sees it.
type Cut struct {
	Balance int64           `json:"balance"`
	Holds   map[string]Hold `json:"holds,omitempty"`
}

// Step is a step of a transfer at one of its accounts.
type Step struct {
	ID string `json:"id"`
	// To is where the money goes, for withdrawals.
	To     string `json:"to,omitempty"`
	Amount int64  `json:"amount,omitempty"`
	// Epoch is that of the account where the transfer's last step was.
	Epoch int64 `json:"epoch,omitempty"`
}

// AccountView is an account as it is shown.
type AccountView struct {
	ID      string `json:"id"`
	Open    bool   `json:"open"`
	Balance int64  `json:"balance"`
	// Held is money on its way to others, and Sent the last transfers; Moving says which of them are on their way.
	Held   int64           `json:"held"`
	Moving map[string]Hold `json:"moving,omitempty"`
	Sent   []Sent          `json:"sent"`
	// Turns is how many turns this memory has seen, and Since when it came into being.
	Turns int       `json:"turns"`
	Since time.Time `json:"since"`
}

var (
	accounts = actor.Register[Account]("Account")
	open     = actor.Method(accounts, "open", (*Account).OpenWith)
	show     = actor.Method(accounts, "show", (*Account).Show)
	withdraw = actor.Method(accounts, "withdraw", (*Account).Withdraw)
	deposit  = actor.Method(accounts, "deposit", (*Account).Deposit)
	release  = actor.Method(accounts, "release", (*Account).Release)
	cut      = actor.Method(accounts, "cut", (*Account).Cut)
	arrived  = actor.Method(accounts, "arrived", (*Account).Arrived)

	_ actor.Activator = (*Account)(nil)
)

// Activate reads the book. It does not run after hibernation: the book is in memory then.
func (a *Account) Activate(c *actor.Context) (err error) {
	a.since = time.Now()
	a.book, _, err = actor.Get[book](c, "book")
	return err
}

// OpenWith opens the account with money in it. Doing so again changes nothing, unless the amount is another.
func (a *Account) OpenWith(c *actor.Context, balance int64) (AccountView, error) {
	first, found, err := actor.Get[int64](c, "opened-with")
	switch {
	case err != nil:
		return AccountView{}, err
	case found && first != balance:
		return AccountView{}, refuse("account %s is open already, with %d and not %d", c.ID().ID, first, balance)
	case found:
		return a.Show(c, actor.None{})
	}
	a.book.Open, a.book.Balance = true, balance
	if err := actor.Set(c, "opened-with", balance); err != nil {
		return AccountView{}, err
	}
	if err := a.save(c); err != nil {
		return AccountView{}, err
	}
	return a.Show(c, actor.None{})
}

// Show tells what there is.
func (a *Account) Show(c *actor.Context, _ actor.None) (AccountView, error) {
	a.turns++
	v := AccountView{
		ID: c.ID().ID, Open: a.book.Open, Balance: a.book.Balance, Moving: a.book.Holds, Sent: a.book.Sent,
		Turns: a.turns, Since: a.since,
	}
	for _, h := range a.book.Holds {
		v.Held += h.Amount
	}
	return v, nil
}

// Withdraw takes the money of a transfer out and holds it until it has arrived; once for each transfer, however often
// it is called. It is refused when the account does not have as much: what it has changed in memory by then is undone by
// the host, because the type is atomic.
func (a *Account) Withdraw(c *actor.Context, s Step) (int64, error) {
	done, err := a.once(c, "out/"+s.ID, s)
	if done || err != nil {
		return a.book.Epoch, err
	}
	a.book.Balance -= s.Amount
	hold := Hold{s.To, s.Amount}
	if a.book.Holds == nil {
		a.book.Holds = map[string]Hold{}
	}
	a.book.Holds[s.ID] = hold
	a.book.Sent = append(a.book.Sent, Sent{s.ID, hold, time.Now()})
	if n := len(a.book.Sent); n > recent {
		a.book.Sent = a.book.Sent[n-recent:]
	}
	if err := a.save(c); err != nil {
		return 0, err
	}
	if !a.book.Open {
		return 0, refuse("there is no account %s", c.ID().ID)
	}
	if a.book.Balance < 0 {
		return 0, refuse("account %s is short of %d", c.ID().ID, -a.book.Balance)
	}
	return a.book.Epoch, nil
}

// Deposit puts the money of a transfer in; once for each transfer, however often it is called.
func (a *Account) Deposit(c *actor.Context, s Step) (int64, error) {
	done, err := a.once(c, "in/"+s.ID, s)
	if done || err != nil {
		return a.book.Epoch, err
	}
	a.book.Balance += s.Amount
	return a.book.Epoch, a.save(c)
}

// Release lets go of the money of a transfer that has arrived.
func (a *Account) Release(c *actor.Context, s Step) (int64, error) {
	a.turns++
	a.join(s.Epoch)
	delete(a.book.Holds, s.ID)
	return a.book.Epoch, a.save(c)
}

// Cut gives the account as it was when it learnt of an audit, which is now if it did not know of it.
func (a *Account) Cut(c *actor.Context, epoch int64) (Cut, error) {
	if a.join(epoch) {
		if err := a.save(c); err != nil {
			return Cut{}, err
		}
	}
	return a.book.Cut, nil
}

// Arrived tells whether the money of a transfer was here before the account learnt of an audit.
func (a *Account) Arrived(c *actor.Context, s Step) (bool, error) {
	m, found, err := actor.Get[mark](c, "in/"+s.ID)
	return found && m.Epoch < s.Epoch, err
}

// mark says that a transfer's step is done, and in which epoch it was.
type mark struct {
	Epoch int64 `json:"epoch"`
}

// once begins a step that is done once: it tells whether it was done before, and remembers that it is done now. The
// mark is stored in the same transaction as the book, at the end of the turn.
func (a *Account) once(c *actor.Context, key string, s Step) (done bool, err error) {
	a.turns++
	a.join(s.Epoch)
	if _, done, err = actor.Get[mark](c, key); done || err != nil {
		return done, err
	}
	return false, actor.Set(c, key, mark{a.book.Epoch}, actor.TTL(markTTL))
}

// join makes the account part of an audit: what it has before is kept as its Cut. Whoever sends money or news tells its
// epoch, so that nothing which happened after somebody's cut is in another's.
func (a *Account) join(epoch int64) bool {
	if epoch <= a.book.Epoch {
		return false
	}
	a.book.Epoch, a.book.Cut = epoch, Cut{a.book.Balance, maps.Clone(a.book.Holds)}
	return true
}

func (a *Account) save(c *actor.Context) error { return actor.Set(c, "book", a.book) }

// refused begins the text of errors that are the bank's answer, and no failure of it.
const refused = "refused: "

func refuse(format string, args ...any) error {
	return fmt.Errorf(refused+format, args...)
}

// refusal gives the bank's answer in the text of a failed turn.
func refusal(text string) (why string, ok bool) { return strings.CutPrefix(text, refused) }
