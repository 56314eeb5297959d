//go:build !wasip1

package actor_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// Account is an actor type: its fields are the actor's memory.
type Account struct{ balance int64 }

// Transfer is what an account sends to another one.
type Transfer struct {
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// Activate reads what is stored, before the first turn.
func (a *Account) Activate(c *actor.Context) (err error) {
	a.balance, _, err = actor.Get[int64](c, "balance")
	return err
}

// Deposit adds to the balance.
func (a *Account) Deposit(c *actor.Context, amount int64) (int64, error) {
	err := a.set(c, a.balance+amount)
	return a.balance, err
}

// Balance tells the balance.
func (a *Account) Balance(*actor.Context, actor.None) (int64, error) { return a.balance, nil }

// Send calls another account. Its own change is dropped when that call fails.
func (a *Account) Send(c *actor.Context, t Transfer) (int64, error) {
	if t.Amount > a.balance {
		return 0, fmt.Errorf("insufficient funds: %d", a.balance)
	}
	if err := actor.Set(c, "balance", a.balance-t.Amount); err != nil {
		return 0, err
	}
	if _, err := deposit.Invoke(t.To, t.Amount); err != nil {
		return 0, err
	}
	a.balance -= t.Amount
	return a.balance, nil
}

// Save makes the account earn every month.
func (a *Account) Save(c *actor.Context, percent int64) (actor.None, error) {
	return actor.None{}, c.SetReminder(actor.Reminder{Name: "interest", Data: percent, Every: 30 * 24 * time.Hour})
}

// Reminder adds the interest.
func (a *Account) Reminder(c *actor.Context, d actor.Due) error {
	var percent int64
	if err := d.Decode(&percent); err != nil {
		return err
	}
	return a.set(c, a.balance+a.balance*percent/100)
}

func (a *Account) set(c *actor.Context, balance int64) error {
	if err := actor.Set(c, "balance", balance); err != nil {
		return err
	}
	a.balance = balance
	return nil
}

var (
	accounts = actor.Register[Account]("Account")
	deposit  = actor.Method(accounts, "deposit", (*Account).Deposit)
	balance  = actor.Method(accounts, "balance", (*Account).Balance)
	send     = actor.Method(accounts, "send", (*Account).Send)
	save     = actor.Method(accounts, "save", (*Account).Save)
)

// A bank: accounts send to each other, and earn interest by a reminder.
func Example() {
	actor.ResetFake() // a test's own: nothing is there yet

	_, _ = deposit.Invoke("alice", 100)
	left, err := send.Invoke("alice", Transfer{To: "bob", Amount: 30})
	fmt.Println(left, err)

	_, err = send.Invoke("alice", Transfer{To: "bob", Amount: 500})
	fmt.Println(errors.Is(err, client.ErrFailed), err)

	_, _ = save.Invoke("bob", 10)
	_ = actor.FireReminder("Account", "bob", "interest") // a month later
	_ = actor.Deactivate("Account", "bob")               // memory is lost, state is not
	bob, err := balance.Invoke("bob", actor.None{})
	fmt.Println(bob, err)
	// Output:
	// 70 <nil>
	// true actor Account/alice: send: failed: insufficient funds: 70
	// 33 <nil>
}
