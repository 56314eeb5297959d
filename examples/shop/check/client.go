package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// order places an order and gives its id.
func (s *shop) order(item string, qty int) (string, error) {
	status, body, err := s.do("POST", "/orders", fmt.Sprintf(`{"item":%q,"qty":%d}`, item, qty))
	if err != nil {
		return "", err
	}
	var o struct{ ID, Status string }
	if err := json.Unmarshal([]byte(body), &o); err != nil || status != http.StatusCreated || o.Status != "reserved" || o.ID == "" {
		return "", fmt.Errorf(`POST /orders: want 201 {"id":…,"status":"reserved"}, got %d %s`, status, body)
	}
	return o.ID, nil
}

// get reads JSON.
func (s *shop) get(path string, v any) error {
	status, body, err := s.do("GET", path, "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: want 200, got %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), v); err != nil {
		return fmt.Errorf("GET %s: %w: %s", path, err, body)
	}
	return nil
}

// want checks one answer: the status, and that the body contains a text.
func (s *shop) want(method, path, send string, status int, contains string) error {
	got, body, err := s.do(method, path, send)
	if err != nil {
		return err
	}
	if got != status || !strings.Contains(body, contains) {
		return fmt.Errorf("%s %s: want %d with %s, got %d %s", method, path, status, contains, got, body)
	}
	return nil
}

// eventually repeats a GET until the body contains a text: receipts and report are written when events arrive.
func (s *shop) eventually(path, contains string) error {
	deadline := time.Now().Add(2 * time.Minute) // a broker gives back what a killed shop had taken after half a minute or so
	for {
		err := s.want("GET", path, "", 200, contains)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *shop) do(method, path, send string) (status int, body string, err error) {
	req, err := http.NewRequest(method, s.front+path, strings.NewReader(send))
	if err != nil {
		return 0, "", err
	}
	if send != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("%w (is the shop running? make run)", err)
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), errors.Join(err, resp.Body.Close())
}

// run runs a command of mrt-wasm against the shop.
func (s *shop) run(args ...string) error {
	out, err := exec.Command(s.mrt, append(args, "--api", s.api)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", s.mrt, strings.Join(args, " "), err, out)
	}
	return nil
}
