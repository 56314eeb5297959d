package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The outcomes of a transfer.
const (
	done    = "done"
	refused = "refused"
)

// asked is a transfer as it is sent.
type asked struct {
	order
	// async leaves all of it to the transfer's reminder, once it is taken.
	async bool
	// tooMuch is more than there is: the bank must refuse it.
	tooMuch bool
	// patient never asks again once the bank has taken the order, and so leaves the rest to the reminder after a crash.
	patient bool
}

// storm sends transfers while the process is killed.
type storm struct {
	cfg    config
	client *client
	random *rand.Rand // of the goroutine that kills
	orders []asked

	finished, unclear, audits atomic.Int64

	mu       sync.Mutex
	outcomes map[string]string
}

func newStorm(cfg config, c *client) *storm {
	s := &storm{cfg: cfg, client: c, outcomes: map[string]string{}, random: rand.New(rand.NewPCG(cfg.seed, 0))}
	for i := range cfg.transfers {
		from := s.random.IntN(cfg.accounts)
		to := (from + 1 + s.random.IntN(cfg.accounts-1)) % cfg.accounts
		a := asked{
			order: order{ID: fmt.Sprintf("transfer-%d", i), From: account(from), To: account(to), Amount: 1 + s.random.Int64N(opening/5)},
			async: i%10 == 3, tooMuch: i%20 == 7, patient: i%2 == 0,
		}
		if a.tooMuch {
			a.Amount = opening*int64(cfg.accounts) + 1
		}
		s.orders = append(s.orders, a)
	}
	return s
}

// run sends all transfers and returns when each has its outcome.
func (s *storm) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begin := time.Now()
	queue := make(chan asked)
	var workers, others sync.WaitGroup
	for range s.cfg.workers {
		workers.Go(func() {
			for a := range queue {
				if err := s.send(ctx, a); err != nil {
					cancel(err)
				}
			}
		})
	}
	storming, calm := context.WithCancel(ctx)
	others.Go(func() {
		if err := s.watch(storming); err != nil {
			cancel(err)
		}
	})
	others.Go(func() {
		if err := s.killer(ctx); err != nil {
			cancel(err)
		}
	})
	for _, a := range s.orders {
		select {
		case queue <- a:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	workers.Wait()
	calm()
	others.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.cfg.say, "%d transfers are settled after %.1fs and %d kills; %d answers were lost; %d audits in between, all with the same total\n",
		len(s.orders), time.Since(begin).Seconds(), s.cfg.kills, s.unclear.Load(), s.audits.Load())
	return nil
}

// send sends one transfer until its outcome is known.
func (s *storm) send(ctx context.Context, a asked) error {
	var t try
	err := until(ctx, "transfer "+a.ID, func(ctx context.Context) (bool, error) {
		r := request{method: "POST", path: "/bank/transfers", body: a.order, async: a.async}
		if t.ask {
			r = request{method: "GET", path: "/bank/transfers/" + a.ID}
		}
		var answer struct{ Status string }
		status, err := s.client.do(ctx, r, &answer)
		return t.answered(a, answer.Status, status, err)
	})
	if t.lost {
		s.unclear.Add(1)
	}
	if err = errors.Join(err, t.failed); err != nil {
		return err
	}
	s.mu.Lock()
	s.outcomes[a.ID] = t.outcome
	s.mu.Unlock()
	s.finished.Add(1)
	return nil
}

// try is how far the sending of a transfer is.
type try struct {
	// ask says not to send the order again, but to ask what became of it.
	ask bool
	// taken is the bank's word that it will settle the transfer; lost says that an answer did not come.
	taken, lost bool
	outcome     string
	failed      error
}

// answered takes in an answer, and tells whether it was the last one.
func (t *try) answered(a asked, state string, status int, err error) (last bool, why error) {
	switch {
	case err == nil && (state == done || state == refused):
		t.outcome = state
		return true, nil
	case err == nil:
		t.ask, t.taken = true, true
		return false, fmt.Errorf("transfer %s is %s", a.ID, state)
	case status == http.StatusNotFound && t.ask && !t.taken: // the lost answer was to an order that did not arrive
		t.ask = false
		return false, err
	case status >= 400 && status < 500:
		t.failed = err
		return true, nil
	}
	t.lost = true
	t.ask = t.ask || a.patient
	return false, err
}

// watch asks for the total all the time: it must never change.
func (s *storm) watch(ctx context.Context) error {
	want := opening * int64(s.cfg.accounts)
	for ctx.Err() == nil {
		var got total
		if err := s.client.get(ctx, "/bank/total", &got); err == nil {
			if got.Total != want {
				return fmt.Errorf("audit %d: got a total of %d; want %d", got.Audit, got.Total, want)
			}
			s.audits.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// killer kills the process in the middle of transfers and starts it again.
func (s *storm) killer(ctx context.Context) error {
	for i := range s.cfg.kills {
		at := int64((float64(i) + s.random.Float64()) / float64(s.cfg.kills) * float64(len(s.orders)) * 0.95)
		for s.finished.Load() < at {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Millisecond):
			}
		}
		s.client.process.kill()
		begin := time.Now()
		settled := s.finished.Load()
		if err := s.client.process.start(ctx); err != nil {
			return err
		}
		fmt.Fprintf(s.cfg.say, "kill %d of %d, with %d of %d transfers settled; the bank is back after %.1fs\n",
			i+1, s.cfg.kills, settled, len(s.orders), time.Since(begin).Seconds())
	}
	return nil
}

// settled checks what is left of the storm: every transfer has the outcome that was told, and happened once.
func (s *storm) settled(ctx context.Context) error {
	want := map[string]int64{}
	for i := range s.cfg.accounts {
		want[account(i)] = opening
	}
	count := map[string]int{}
	for _, a := range s.orders {
		told := s.outcomes[a.ID]
		count[told]++
		if a.tooMuch && told != refused {
			return fmt.Errorf("transfer %s of %d, which is more than all accounts have: got %q; want %s", a.ID, a.Amount, told, refused)
		}
		var now struct{ Status string }
		if err := s.client.get(ctx, "/bank/transfers/"+a.ID, &now); err != nil {
			return err
		}
		if now.Status != told {
			return fmt.Errorf("transfer %s: got %q; it was told to be %q", a.ID, now.Status, told)
		}
		if told == done {
			want[a.From] -= a.Amount
			want[a.To] += a.Amount
		}
	}
	if s.audits.Load() == 0 || count[done] == 0 {
		return fmt.Errorf("got %d transfers done and %d audits; want some of both, or nothing is proved", count[done], s.audits.Load())
	}
	if err := s.balances(ctx, want); err != nil {
		return err
	}
	fmt.Fprintf(s.cfg.say, "%d transfers are done, once each; %d are refused; the total is %d\n",
		count[done], count[refused], opening*s.cfg.accounts)
	return nil
}

// balances checks what every account has, and the total.
func (s *storm) balances(ctx context.Context, want map[string]int64) error {
	got, err := s.client.accounts(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for id, balance := range want {
		if a := got[id]; a.Balance != balance || a.Held != 0 {
			wrong = append(wrong, fmt.Errorf("%s: got a balance of %d and %d on its way; want %d and 0 after all transfers that are done",
				id, a.Balance, a.Held, balance))
		}
	}
	var sum total
	err = s.client.get(ctx, "/bank/total", &sum)
	if all := opening * int64(s.cfg.accounts); err == nil && (sum.Total != all || sum.InFlight != 0) {
		err = fmt.Errorf("got a total of %d, of which %d are on their way; want %d and 0", sum.Total, sum.InFlight, all)
	}
	return errors.Join(append(wrong, err)...)
}
