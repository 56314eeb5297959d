package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

// setUp opens accounts a and b with 100 each.
func setUp(t *testing.T) {
	t.Helper()
	actor.ResetFake()
	for _, id := range []string{"a", "b"} {
		if got := post("/bank/accounts", fmt.Sprintf(`{"id":%q,"balance":100}`, id)); got.Status != 201 {
			t.Fatalf("open %s: got %d %s; want 201", id, got.Status, got.Body)
		}
	}
}

func post(path, body string) *http.Response {
	return http.Do(&http.Request{Method: "POST", Path: path, Body: []byte(body)})
}

// wantBalances checks what the accounts have, and that nothing is lost.
func wantBalances(t *testing.T, a, b, inFlight int64) {
	t.Helper()
	var got struct{ Accounts []AccountView }
	if err := http.Do(&http.Request{Path: "/bank/accounts"}).Decode(&got); err != nil || len(got.Accounts) != 2 {
		t.Fatalf("accounts: got %+v, error %v; want two", got, err)
	}
	if x, y := got.Accounts[0].Balance, got.Accounts[1].Balance; x != a || y != b {
		t.Errorf("balances: got %d and %d; want %d and %d", x, y, a, b)
	}
	var sum Audit
	if err := http.Do(&http.Request{Path: "/bank/total"}).Decode(&sum); err != nil || sum.Total != 200 || sum.InFlight != inFlight {
		t.Errorf("total: got %+v, error %v; want 200, of which %d in flight", sum, err, inFlight)
	}
}

func TestTransfer(t *testing.T) {
	setUp(t)
	for _, try := range []string{"first", "same again"} {
		got := post("/bank/transfers", `{"id":"t","from":"a","to":"b","amount":30}`)
		if got.Status != 200 || !strings.Contains(string(got.Body), `"status":"done"`) {
			t.Errorf("%s: got %d %s; want 200 done", try, got.Status, got.Body)
		}
		wantBalances(t, 70, 130, 0)
	}
	if got := post("/bank/transfers", `{"id":"t","from":"a","to":"b","amount":31}`); got.Status != 409 {
		t.Errorf("another transfer of the same id: got %d %s; want 409", got.Status, got.Body)
	}
	if left := actor.FakeReminders("Transfer", "t"); len(left) != 0 {
		t.Errorf("reminders after the end: got %v; want none", left)
	}
	if got := http.Do(&http.Request{Path: "/bank/transfers/t"}); !strings.Contains(string(got.Body), `"amount":30,"status":"done"`) {
		t.Errorf("GET: got %d %s; want the transfer", got.Status, got.Body)
	}
}

func TestRefusedTransfers(t *testing.T) {
	for _, c := range []struct{ name, from, to, why string }{
		{"too much", "a", "b", "account a is short of 1"},
		{"from nobody", "x", "b", "there is no account x"},
		{"to nobody", "a", "x", "there is no account x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			setUp(t)
			order := fmt.Sprintf(`{"id":"t","from":%q,"to":%q,"amount":101}`, c.from, c.to)
			got := post("/bank/transfers", order)
			if got.Status != 200 || !strings.Contains(string(got.Body), `"status":"refused","reason":"`+c.why+`"`) {
				t.Errorf("got %d %s; want 200, refused because %s", got.Status, got.Body, c.why)
			}
			// The fake does not roll memory back as the host does for an atomic type: it is read anew instead.
			if err := actor.Deactivate("Account", "a"); err != nil {
				t.Fatal(err)
			}
			wantBalances(t, 100, 100, 0)
		})
	}
}

// TestInterruptedTransfer has a transfer stop after each of its steps, as a crash does, and the reminder go on.
func TestInterruptedTransfer(t *testing.T) {
	order := Order{ID: "t", From: "a", To: "b", Amount: 30}
	steps := []func() error{
		func() error { _, err := begin.Invoke("t", order); return err },
		func() error { _, err := withdraw.Invoke("a", Step{ID: "t", To: "b", Amount: 30}); return err },
		func() error { _, err := deposit.Invoke("b", Step{ID: "t", Amount: 30}); return err },
		func() error { _, err := release.Invoke("a", Step{ID: "t"}); return err },
		func() error { _, err := move.Invoke("t", actor.None{}); return err },
	}
	inFlight := []int64{0, 30, 0, 0, 0}
	for n := range steps {
		t.Run(fmt.Sprintf("after %d steps", n+1), func(t *testing.T) {
			setUp(t)
			for i, step := range steps[:n+1] {
				if err := step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
			var sum Audit
			if err := http.Do(&http.Request{Path: "/bank/total"}).Decode(&sum); err != nil || sum.Total != 200 || sum.InFlight != inFlight[n] {
				t.Errorf("total: got %+v, error %v; want 200, of which %d in flight", sum, err, inFlight[n])
			}
			for _, id := range []string{"a", "b"} {
				if err := actor.Deactivate("Account", id); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if len(actor.FakeReminders("Transfer", "t")) == 0 {
					break
				}
				if err := actor.FireReminder("Transfer", "t", resume); err != nil {
					t.Fatal(err)
				}
			}
			if left := actor.FakeReminders("Transfer", "t"); len(left) != 0 {
				t.Errorf("reminders: got %v; want none", left)
			}
			wantBalances(t, 70, 130, 0)
		})
	}
}

// TestReminderWithoutOrder has the host killed between the reminder and the order.
func TestReminderWithoutOrder(t *testing.T) {
	setUp(t)
	if _, err := begin.Invoke("t", Order{ID: "t", From: "a", To: "b", Amount: 1}); err != nil {
		t.Fatal(err)
	}
	forgetOrder(t)
	if err := actor.FireReminder("Transfer", "t", resume); err != nil {
		t.Fatal(err)
	}
	if left := actor.FakeReminders("Transfer", "t"); len(left) != 0 {
		t.Errorf("reminders: got %v; want none", left)
	}
	wantBalances(t, 100, 100, 0)
}

// forget is a method that only tests have.
var forget = actor.Method(transfers, "forget", func(t *Transfer, c *actor.Context, _ actor.None) (actor.None, error) {
	t.view = TransferView{}
	return actor.None{}, actor.Remove(c, "transfer")
})

func forgetOrder(t *testing.T) {
	t.Helper()
	if _, err := forget.Invoke("t", actor.None{}); err != nil {
		t.Fatal(err)
	}
}

// TestAuditInTheMiddle has an audit ask account a and account b at different times, with a transfer around it.
func TestAuditInTheMiddle(t *testing.T) {
	const epoch = 7
	cuts := map[string]int64{}
	var stamp int64 // travels with the transfer
	actions := map[string]func() error{
		"cut a": func() error { c, err := cut.Invoke("a", epoch); cuts["a"] = c.Balance; return err },
		"cut b": func() error { c, err := cut.Invoke("b", epoch); cuts["b"] = c.Balance; return err },
		"out": func() (err error) {
			stamp, err = withdraw.Invoke("a", Step{ID: "t", To: "b", Amount: 30})
			return err
		},
		"in": func() (err error) {
			stamp, err = deposit.Invoke("b", Step{ID: "t", Amount: 30, Epoch: stamp})
			return err
		},
		"release": func() error { _, err := release.Invoke("a", Step{ID: "t", Epoch: stamp}); return err },
	}
	for _, order := range []string{
		"cut a,cut b,out,in,release", "cut a,out,cut b,in,release", "cut a,out,in,cut b,release", "out,cut a,in,cut b,release",
		"out,cut b,in,cut a,release", "out,cut b,in,release,cut a", "cut b,out,in,release,cut a", "out,in,release,cut a,cut b",
		"out,cut a,cut b,in,release", "out,in,cut b,release,cut a", "out,in,cut b,cut a,release",
	} {
		t.Run(order, func(t *testing.T) {
			setUp(t)
			stamp = 0
			for name := range strings.SplitSeq(order, ",") {
				if err := actions[name](); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			a, err := cut.Invoke("a", epoch)
			if err != nil {
				t.Fatal(err)
			}
			there, err := arrived.Invoke("b", Step{ID: "t", Epoch: epoch})
			if err != nil {
				t.Fatal(err)
			}
			sum := cuts["a"] + cuts["b"]
			if h, held := a.Holds["t"]; held && !there {
				sum += h.Amount
			}
			if sum != 200 {
				t.Errorf("got a total of %d (cuts %v, held %v, arrived %t); want 200", sum, cuts, a.Holds, there)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	setUp(t)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/bank/accounts", `{`, 400},
		{"/bank/accounts", `{"id":"","balance":1}`, 400},
		{"/bank/accounts", `{"id":"a/b","balance":1}`, 400},
		{"/bank/accounts", `{"id":"c","balance":-1}`, 400},
		{"/bank/accounts", `{"id":"a","balance":200}`, 409},
		{"/bank/transfers", ``, 400},
		{"/bank/transfers", `{"id":"t","from":"a","to":"a","amount":1}`, 400},
		{"/bank/transfers", `{"id":"t","from":"a","to":"b","amount":0}`, 400},
		{"/bank/transfers", `{"id":"t||u","from":"a","to":"b","amount":1}`, 400},
		{"/bank/total", `{}`, 405},
	} {
		if got := post(c.path, c.body); got.Status != c.status {
			t.Errorf("POST %s %s: got %d %s; want %d", c.path, c.body, got.Status, got.Body, c.status)
		}
	}
	if got := http.Do(&http.Request{Path: "/bank/transfers/none"}); got.Status != 404 {
		t.Errorf("a transfer that is not there: got %d %s; want 404", got.Status, got.Body)
	}
	wantBalances(t, 100, 100, 0)
}

func TestAsyncTransfer(t *testing.T) {
	setUp(t)
	r := &http.Request{Method: "POST", Path: "/bank/transfers", Body: []byte(`{"id":"t","from":"a","to":"b","amount":30}`)}
	r.Header.Set("Prefer", "respond-async")
	got := http.Do(r)
	var v TransferView
	if err := json.Unmarshal(got.Body, &v); err != nil || got.Status != 202 || v.Status != statusPending {
		t.Errorf("got %d %s; want 202 pending", got.Status, got.Body)
	}
	wantBalances(t, 100, 100, 0)
	if err := actor.FireReminder("Transfer", "t", resume); err != nil {
		t.Fatal(err)
	}
	wantBalances(t, 70, 130, 0)
}

func TestPage(t *testing.T) {
	for _, path := range []string{"/bank", "/bank/"} {
		got := http.Do(&http.Request{Path: path})
		if kind := got.Header.Get("Content-Type"); got.Status != 200 || !strings.HasPrefix(kind, "text/html") || !strings.Contains(string(got.Body), "<title>") {
			t.Errorf("GET %s: got %d, %s, %d bytes; want the page", path, got.Status, kind, len(got.Body))
		}
	}
}
