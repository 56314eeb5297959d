// Command guest is an app with two actor types, for the tests of package actor: JSON and raw methods, state, timers,
// reminders, and a call from one type to the other.
package main

import (
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
)

// Entry is a line of an account's book.
type Entry struct {
	Text   string    `json:"text"`
	Amount int64     `json:"amount"`
	Time   time.Time `json:"time"`
}

// Account has a balance.
type Account struct{ balance int64 }

var (
	_ actor.Activator   = (*Account)(nil)
	_ actor.Deactivator = (*Account)(nil)
	_ actor.Reminded    = (*Account)(nil)
	_ actor.Timed       = (*Account)(nil)
)

// Activate reads the balance.
func (a *Account) Activate(c *actor.Context) (err error) {
	a.balance, _, err = actor.Get[int64](c, "balance")
	return err
}

// Deactivate leaves a note.
func (a *Account) Deactivate(c *actor.Context) error { return actor.Set(c, "left", "yes") }

// Reminder adds interest.
func (a *Account) Reminder(c *actor.Context, d actor.Due) error {
	_, err := a.Post(c, Entry{Text: d.Name, Amount: a.balance / 100})
	return err
}

// Timer looks at what is registered.
func (a *Account) Timer(c *actor.Context, t actor.Tick) error {
	if _, err := c.Reminders(); err != nil {
		return err
	}
	return c.StopTimer(t.Name)
}

// Post adds an entry.
func (a *Account) Post(c *actor.Context, e Entry) (int64, error) {
	if a.balance+e.Amount < 0 {
		return 0, errors.New("insufficient funds")
	}
	if err := actor.Set(c, "balance", a.balance+e.Amount); err != nil {
		return 0, err
	}
	a.balance += e.Amount
	return a.balance, nil
}

// Deposit adds an amount.
func (a *Account) Deposit(c *actor.Context, amount int64) (int64, error) {
	return a.Post(c, Entry{Amount: amount})
}

// Plan registers a reminder and a timer.
func (a *Account) Plan(c *actor.Context, _ actor.None) (actor.None, error) {
	err := c.SetReminder(actor.Reminder{Name: "interest", Every: 24 * time.Hour, Policy: actor.Constant(time.Second, 3)})
	if err == nil {
		_, err = c.GetReminder("interest")
	}
	if err == nil {
		err = c.DeleteReminder("other")
	}
	return actor.None{}, errors.Join(err, c.SetTimer(actor.Timer{Name: "look", Due: time.Second}))
}

// Echo gives what it gets.
type Echo struct{ turns int }

// Raw gives bytes.
func (e *Echo) Raw(_ *actor.Context, in []byte) ([]byte, error) {
	e.turns++
	return in, nil
}

// Post calls an account.
func (e *Echo) Post(c *actor.Context, to string) (int64, error) {
	if self, ok := actor.Self(); !ok || self != c.ID() {
		return 0, errors.New("not myself")
	}
	if err := actor.Remove(c, "to"); err != nil {
		return 0, err
	}
	return post.Invoke(to, Entry{Text: "from an echo", Amount: 1})
}

var (
	accounts = actor.Register[Account]("Account")
	post     = actor.Method(accounts, "post", (*Account).Post)
	_        = actor.Method(accounts, "deposit", (*Account).Deposit)
	_        = actor.Method(accounts, "plan", (*Account).Plan)

	echoes = actor.Register[Echo]("Echo")
	_      = actor.Method(echoes, "raw", (*Echo).Raw)
	_      = actor.Method(echoes, "post", (*Echo).Post)
)

func main() {}
