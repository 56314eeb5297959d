package main

import (
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// resume is the reminder of a transfer that is not settled, and resumeEvery how often it comes.
const (
	resume      = "resume"
	resumeEvery = 2 * time.Second
)

// The states of a transfer. Done and refused are final.
const (
	statusPending = "pending"
	statusDone    = "done"
	statusRefused = "refused"
)

// Order says what a transfer moves.
type Order struct {
	ID     string `json:"id"`
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// TransferView is an order and what became of it.
type TransferView struct {
	Order
	// Status is pending, done or refused; Reason says why it was refused. It is empty when there is no such transfer.
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Transfer moves money between two accounts, to the end, whatever happens in between. Each method is a turn, and what
// it says is stored before the next one begins:
//
//	begin   registers the reminder, then keeps the order: from here on the transfer will be settled
//	move    withdraw, deposit, release; the accounts do each of them once, so all of it may be done again
//	close   removes the reminder
//
// Whoever began the transfer also calls the rest; if it cannot, because the host was killed, the reminder does.
// The type is not atomic: memory is changed last, when nothing can fail any more.
type Transfer struct{ view TransferView }

var (
	transfers    = actor.Register[Transfer]("Transfer")
	begin        = actor.Method(transfers, "begin", (*Transfer).Begin)
	move         = actor.Method(transfers, "move", (*Transfer).Move)
	closed       = actor.Method(transfers, "close", (*Transfer).Close)
	showTransfer = actor.Method(transfers, "show", (*Transfer).Show)

	_ actor.Activator = (*Transfer)(nil)
	_ actor.Reminded  = (*Transfer)(nil)
)

// Activate reads what is stored.
func (t *Transfer) Activate(c *actor.Context) (err error) {
	t.view, _, err = actor.Get[TransferView](c, "transfer")
	return err
}

// Begin takes an order. Taking the same one again tells what became of it.
func (t *Transfer) Begin(c *actor.Context, o Order) (TransferView, error) {
	if t.view.Status != "" {
		if t.view.Order != o {
			return t.view, refuse("transfer %s is another one: %d from %s to %s", o.ID, t.view.Amount, t.view.From, t.view.To)
		}
		return t.view, nil
	}
	// A reminder is stored at once and state at the end of the turn. In this order there is never an order without
	// its reminder; a reminder without an order removes itself.
	err := c.SetReminder(actor.Reminder{Name: resume, Due: resumeEvery, Every: resumeEvery, Policy: actor.Drop()})
	if err != nil {
		return t.view, err
	}
	return t.keep(c, TransferView{Order: o, Status: statusPending})
}

// Move moves the money, or finds that it cannot be moved. An error leaves the transfer pending.
func (t *Transfer) Move(c *actor.Context, _ actor.None) (TransferView, error) {
	if t.view.Status != statusPending {
		return t.view, nil
	}
	o := t.view.Order
	// Accounts are never closed, so what is open now will take the deposit.
	to, err := show.Invoke(o.To, actor.None{})
	if err != nil {
		return t.view, err
	}
	if !to.Open {
		return t.keep(c, TransferView{Order: o, Status: statusRefused, Reason: "there is no account " + o.To})
	}
	epoch, err := withdraw.Invoke(o.From, Step{ID: o.ID, To: o.To, Amount: o.Amount})
	if failed, ok := errors.AsType[*client.Error](err); ok && errors.Is(err, client.ErrFailed) {
		if why, ok := refusal(failed.Message); ok {
			return t.keep(c, TransferView{Order: o, Status: statusRefused, Reason: why})
		}
	}
	if err == nil {
		epoch, err = deposit.Invoke(o.To, Step{ID: o.ID, Amount: o.Amount, Epoch: epoch})
	}
	if err == nil {
		_, err = release.Invoke(o.From, Step{ID: o.ID, Epoch: epoch})
	}
	if err != nil {
		return t.view, err
	}
	return t.keep(c, TransferView{Order: o, Status: statusDone})
}

// Close removes the reminder of a settled transfer. It is a turn of its own: the removal acts at once, and must not do
// so before the state that makes it right is stored.
func (t *Transfer) Close(c *actor.Context, _ actor.None) (TransferView, error) {
	if t.view.Status == statusPending {
		return t.view, nil
	}
	return t.view, c.DeleteReminder(resume)
}

// Show tells what became of the transfer.
func (t *Transfer) Show(*actor.Context, actor.None) (TransferView, error) { return t.view, nil }

// Reminder goes on with a transfer that was interrupted: one step each time.
func (t *Transfer) Reminder(c *actor.Context, _ actor.Due) error {
	step := t.Close
	if t.view.Status == statusPending {
		step = t.Move
	}
	_, err := step(c, actor.None{})
	return err
}

func (t *Transfer) keep(c *actor.Context, v TransferView) (TransferView, error) {
	if err := actor.Set(c, "transfer", v); err != nil {
		return t.view, err
	}
	t.view = v
	return v, nil
}
