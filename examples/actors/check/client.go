package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// patience is how long anything may take that has to happen.
const patience = 2 * time.Minute

// client calls the bank, wherever its process is now.
type client struct{ process *process }

// order is a transfer.
type order struct {
	ID     string `json:"id"`
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int64  `json:"amount"`
}

// accountView is an account as the bank shows it.
type accountView struct {
	ID      string    `json:"id"`
	Balance int64     `json:"balance"`
	Held    int64     `json:"held"`
	Turns   int       `json:"turns"`
	Since   time.Time `json:"since"`
}

// total is an audit of the bank.
type total struct {
	Audit    int64 `json:"audit"`
	Total    int64 `json:"total"`
	InFlight int64 `json:"inFlight"`
}

// request is one call of the bank, or of the API.
type request struct {
	method, path string
	body         any
	api, async   bool
}

// do makes one try; an error says that nobody knows what the bank did. It reads the answer into out if the status is
// less than 300.
func (c *client) do(ctx context.Context, r request, out any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second) // longer than the host's limit of a call
	defer cancel()
	var send io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return 0, err
		}
		send = bytes.NewReader(data)
	}
	at, err := c.process.at(ctx)
	if err != nil {
		return 0, err
	}
	base := at.HTTP
	if r.api {
		base = at.API
	}
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, send)
	if err != nil {
		return 0, err
	}
	if r.async {
		req.Header.Set("Prefer", "respond-async")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	data, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, err
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode, fmt.Errorf("%s %s: %d %s", r.method, r.path, resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return 0, fmt.Errorf("%s %s: %d %s: %w", r.method, r.path, resp.StatusCode, data, err)
	}
	return resp.StatusCode, nil
}

// get reads from the front door, and fails unless the answer is 200.
func (c *client) get(ctx context.Context, path string, out any) error {
	_, err := c.do(ctx, request{method: "GET", path: path}, out)
	return err
}

// open opens an account.
func (c *client) open(ctx context.Context, id string) error {
	body := map[string]any{"id": id, "balance": opening}
	_, err := c.do(ctx, request{method: "POST", path: "/bank/accounts", body: body}, &accountView{})
	return err
}

// accounts reads all accounts by name.
func (c *client) accounts(ctx context.Context) (map[string]accountView, error) {
	var list struct{ Accounts []accountView }
	if err := c.get(ctx, "/bank/accounts", &list); err != nil {
		return nil, err
	}
	out := map[string]accountView{}
	for _, a := range list.Accounts {
		out[a.ID] = a
	}
	return out, nil
}

// until repeats a question until it is answered, and fails when that takes too long.
func until(ctx context.Context, what string, ask func(ctx context.Context) (ok bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := ask(ctx)
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s; last answer: %w", what, patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
