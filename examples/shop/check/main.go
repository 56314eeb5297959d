// Command check drives the running shop from outside and checks every answer:
//
//	go run ./examples/shop/check [-http URL] [-state FILE]
//
// With -state it keeps what it ordered in FILE, and a later run checks that the shop still has it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// client is the shop as seen from outside.
type client struct {
	base string
	http http.Client
}

// memory is what -state keeps from run to run.
type memory struct {
	Orders []string `json:"orders"`
	Dead   int      `json:"dead"`
}

func main() {
	base := flag.String("http", "http://127.0.0.1:8080", "the shop's front door")
	file := flag.String("state", "", "a file that keeps what was ordered, to be checked by the next run")
	flag.Parse()
	if err := run(&client{*base, http.Client{Timeout: 30 * time.Second}}, *file); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	fmt.Println("all answers are right")
}

func run(c *client, file string) error {
	past, err := recall(file)
	if err != nil {
		return err
	}
	for _, id := range past.Orders {
		if err := c.want("GET", "/receipts/"+id, "", 200, `"order":"`+id+`"`); err != nil {
			return fmt.Errorf("after a restart: %w", err)
		}
	}
	item := fmt.Sprintf("book-%d", time.Now().UnixNano())
	small, err := c.order(item, 2)
	if err != nil {
		return err
	}
	big, err := c.order(item, 12)
	if err != nil {
		return err
	}
	ids := []string{small, big}
	slices.Sort(ids)
	dead, err := c.deadCount()
	if err != nil {
		return err
	}
	if dead < past.Dead {
		return fmt.Errorf("dead letters: %d, but %d were counted before a restart", dead, past.Dead)
	}
	checks := []func() error{
		func() error { return c.want("GET", "/orders/"+small, "", 200, `"item":"`+item+`","qty":2`) },
		func() error {
			return c.want("GET", "/orders?item="+item, "", 200, `"orders":["`+ids[0]+`","`+ids[1]+`"],"qty":14`)
		},
		func() error { return c.want("POST", "/orders", `{"item":"`+item+`","qty":1000}`, 409, "out of stock") },
		func() error { return c.want("POST", "/orders", `{"item":"`+item+`"}`, 400, "at least 1") },
		func() error { return c.want("POST", "/orders", `no json`, 400, "JSON") },
		func() error { return c.want("GET", "/orders/none", "", 404, "no order none") },
		func() error { return c.want("DELETE", "/orders/"+small, "", 405, "it takes GET") },
		func() error { return c.eventually("/receipts/"+small, `"kind":"single"`) },
		func() error { return c.eventually("/receipts/"+big, `"kind":"bulk"`) },
		func() error { _, err := c.order("poison", 1); return err },
		func() error { return c.eventually("/receipts/dead", fmt.Sprintf(`{"count":%d}`, dead+1)) },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return remember(file, memory{append(past.Orders, small, big), dead + 1})
}

func recall(file string) (memory, error) {
	var m memory
	if file == "" {
		return m, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

func remember(file string, m memory) error {
	if file == "" {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// order places an order and gives its id.
func (c *client) order(item string, qty int) (string, error) {
	status, body, err := c.do("POST", "/orders", fmt.Sprintf(`{"item":%q,"qty":%d}`, item, qty))
	if err != nil {
		return "", err
	}
	var o struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != http.StatusCreated || o.Status != "reserved" || o.ID == "" {
		return "", fmt.Errorf(`POST /orders: want 201 {"id":…,"status":"reserved"}, got %d %s`, status, body)
	}
	return o.ID, nil
}

func (c *client) deadCount() (int, error) {
	_, body, err := c.do("GET", "/receipts/dead", "")
	if err != nil {
		return 0, err
	}
	var d struct{ Count int }
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		return 0, fmt.Errorf("GET /receipts/dead: %w: %s", err, body)
	}
	return d.Count, nil
}

// want checks one answer: the status, and that the body contains a text.
func (c *client) want(method, path, send string, status int, contains string) error {
	got, body, err := c.do(method, path, send)
	if err != nil {
		return err
	}
	if got != status || !strings.Contains(body, contains) {
		return fmt.Errorf("%s %s: want %d with %s, got %d %s", method, path, status, contains, got, body)
	}
	return nil
}

// eventually repeats a GET until the body contains a text: receipts are written when the event arrives.
func (c *client) eventually(path, contains string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := c.want("GET", path, "", 200, contains)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *client) do(method, path, send string) (status int, body string, err error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader([]byte(send)))
	if err != nil {
		return 0, "", err
	}
	if send != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("%w (is the shop running? make run)", err)
	}
	text, err := io.ReadAll(resp.Body)
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	return resp.StatusCode, string(text), err
}
