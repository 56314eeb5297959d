package main

import (
	"context"
	"fmt"
	"net/url"
)

// sleep checks hibernation: accounts that nobody uses fall asleep, wake with their memory, and keep it when the process
// is stopped by SIGTERM and started again.
func sleep(ctx context.Context, cfg config, c *client) error {
	before, err := c.accounts(ctx)
	if err != nil {
		return err
	}
	if err := until(ctx, "all reminders are gone", c.noReminders); err != nil {
		return err
	}
	if err := until(ctx, "all accounts are asleep", c.asleep); err != nil {
		return err
	}
	woken, err := c.accounts(ctx)
	if err != nil {
		return err
	}
	if err := remember(before, woken); err != nil {
		return fmt.Errorf("after hibernation: %w", err)
	}
	fmt.Fprintf(cfg.say, "%d accounts fell asleep and woke with their memory\n", len(woken))

	if err := c.process.stop(ctx); err != nil {
		return err
	}
	if err := c.process.start(ctx); err != nil {
		return err
	}
	after, err := c.accounts(ctx)
	if err != nil {
		return err
	}
	if err := remember(woken, after); err != nil {
		return fmt.Errorf("after SIGTERM and a new start: %w", err)
	}
	fmt.Fprintln(cfg.say, "the process was stopped and started; the accounts have their memory still")
	return c.process.stop(ctx)
}

// remember checks that accounts have the memory that they had, and one turn more: the one that shows them.
func remember(before, after map[string]accountView) error {
	for id, old := range before {
		now := after[id]
		if now.Turns != old.Turns+1 || !now.Since.Equal(old.Since) || now.Balance != old.Balance {
			return fmt.Errorf("%s: got balance %d, turn %d, memory since %s; want balance %d, turn %d, memory since %s",
				id, now.Balance, now.Turns, now.Since, old.Balance, old.Turns+1, old.Since)
		}
	}
	return nil
}

// noReminders tells whether all transfers have removed their reminders.
func (c *client) noReminders(ctx context.Context) (bool, error) {
	var page struct {
		Reminders []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"reminders"`
	}
	if _, err := c.do(ctx, request{method: "GET", api: true, path: "/v1.0-alpha1/actors/Transfer/reminders"}, &page); err != nil {
		return false, err
	}
	return len(page.Reminders) == 0, fmt.Errorf("there are reminders: %v", page.Reminders)
}

// asleep tells whether all accounts are hibernated.
func (c *client) asleep(ctx context.Context) (bool, error) {
	var page struct {
		Actors []struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"actors"`
	}
	query := url.Values{"type": {"Account"}, "limit": {"1000"}}
	if _, err := c.do(ctx, request{method: "GET", api: true, path: "/v1.0-alpha1/actors?" + query.Encode()}, &page); err != nil {
		return false, err
	}
	for _, a := range page.Actors {
		if a.Status != "hibernated" {
			return false, fmt.Errorf("account %s is %s", a.ID, a.Status)
		}
	}
	return len(page.Actors) == c.process.cfg.accounts, fmt.Errorf("%d accounts are asleep", len(page.Actors))
}
