package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// memory is what -state keeps from run to run.
type memory struct {
	Orders   []string `json:"orders"`
	Dead     int      `json:"dead"`
	Greeting string   `json:"greeting"`
	Report   totals   `json:"report"`
}

// totals are what GET /report answers.
type totals struct {
	Orders int `json:"orders"`
	Items  int `json:"items"`
}

func (t totals) plus(orders, items int) totals { return totals{t.Orders + orders, t.Items + items} }

func (t totals) String() string { return fmt.Sprintf(`{"orders":%d,"items":%d}`, t.Orders, t.Items) }

// check drives the shop once.
func (s *shop) check(file string) error {
	past, err := recall(file)
	if err != nil {
		return err
	}
	if past == nil {
		past, err = s.present()
	} else {
		err = s.still(past)
	}
	if err != nil {
		return err
	}
	item := fmt.Sprintf("book-%d", time.Now().UnixNano())
	placed, err := s.sell(item, past)
	if err != nil {
		return err
	}
	if err := s.refuse(item, past); err != nil {
		return err
	}
	last, err := s.greet(item)
	if err != nil {
		return err
	}
	past.Report = past.Report.plus(4, 2+12+1+3)
	if err := s.eventually("/report", past.Report.String()); err != nil {
		return err
	}
	past.Report = past.Report.plus(1, 4)
	if err := s.again(item, placed, past.Report); err != nil {
		return err
	}
	past.Orders = append(past.Orders, placed[0], placed[1], last.Order)
	past.Dead++
	past.Greeting = last.Greeting
	if file == "" {
		return nil
	}
	// Nobody waits for the last order: if the shop ends now, its receipt and its place in the report come afterwards.
	pending, err := s.order(item, 5)
	if err != nil {
		return err
	}
	past.Orders, past.Report = append(past.Orders, pending), past.Report.plus(1, 5)
	return remember(file, past)
}

// present is what a shop has that was not checked before.
func (s *shop) present() (*memory, error) {
	var m memory
	if err := s.get("/receipts/dead", &struct{ Count *int }{&m.Dead}); err != nil {
		return nil, err
	}
	// What was ordered a moment ago is in the report after the next tick of its clock, which comes every 2 s.
	for {
		var before, after totals
		if err := s.get("/report", &before); err != nil {
			return nil, err
		}
		time.Sleep(3 * time.Second)
		if err := s.get("/report", &after); err != nil {
			return nil, err
		}
		if m.Report = after; before == after {
			return &m, nil
		}
	}
}

// still checks that a shop that was started again has what it had.
func (s *shop) still(past *memory) error {
	for _, id := range past.Orders {
		if err := s.eventually("/receipts/"+id, `"order":"`+id+`"`); err != nil {
			return fmt.Errorf("after a restart: %w", err)
		}
		if _, err := s.receipt(id); err != nil {
			return fmt.Errorf("after a restart: %w", err)
		}
	}
	if err := s.want("GET", "/receipts/dead", "", 200, fmt.Sprintf(`{"count":%d}`, past.Dead)); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	if err := s.eventually("/report", past.Report.String()); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	return nil
}

// sell places a small and a big order, and gives their ids.
func (s *shop) sell(item string, past *memory) ([2]string, error) {
	var ids [2]string
	for i, want := range []struct {
		qty  int
		kind string
	}{{2, "single"}, {12, "bulk"}} {
		id, err := s.order(item, want.qty)
		if err != nil {
			return ids, err
		}
		ids[i] = id
		if err := s.want("GET", "/orders/"+id, "", 200, fmt.Sprintf(`"item":%q,"qty":%d`, item, want.qty)); err != nil {
			return ids, err
		}
		if err := s.eventually("/receipts/"+id, `"order":"`+id+`"`); err != nil {
			return ids, err
		}
		r, err := s.receipt(id)
		switch {
		case err != nil:
			return ids, err
		case r.Kind != want.kind || r.Item != item || r.Qty != want.qty || r.Greeting == "":
			return ids, fmt.Errorf("receipt of %s: want item %s, qty %d, kind %s and a greeting; got %+v", id, item, want.qty, want.kind, r)
		case past.Greeting != "" && r.Greeting != past.Greeting:
			return ids, fmt.Errorf("receipt of %s: want the greeting from before the restart, %q; got %q", id, past.Greeting, r.Greeting)
		}
	}
	sorted := slices.Sorted(slices.Values(ids[:]))
	return ids, s.want("GET", "/orders?item="+item, "", 200, `"orders":["`+sorted[0]+`","`+sorted[1]+`"],"qty":14`)
}

// refuse makes requests that the shop has to refuse; the last is an order that is placed and ends as a dead letter.
func (s *shop) refuse(item string, past *memory) error {
	for _, c := range []struct {
		method, path, send string
		status             int
		contains           string
	}{
		{"POST", "/orders", `{"item":"` + item + `","qty":1000}`, 409, "out of stock"},
		{"POST", "/orders", `{"item":"` + item + `"}`, 400, "at least 1"},
		{"POST", "/orders", `no json`, 400, "JSON"},
		{"GET", "/orders/none", "", 404, "no order none"},
		{"DELETE", "/orders/none", "", 405, "it takes GET"},
		{"GET", "/receipts/none", "", 404, "no receipt for order none"},
	} {
		if err := s.want(c.method, c.path, c.send, c.status, c.contains); err != nil {
			return err
		}
	}
	poison, err := s.order("poison", 1)
	if err != nil {
		return err
	}
	if err := s.eventually("/receipts/dead", fmt.Sprintf(`{"count":%d}`, past.Dead+1)); err != nil {
		return err
	}
	return s.want("GET", "/receipts/"+poison, "", 404, "no receipt")
}

// greet changes the greeting; the next receipt has to have it.
func (s *shop) greet(item string) (receipt, error) {
	greeting := "Hello, friend of " + item
	if err := s.run("config", "set", "greeting", greeting); err != nil {
		return receipt{}, err
	}
	id, err := s.order(item, 3)
	if err != nil {
		return receipt{}, err
	}
	if err := s.eventually("/receipts/"+id, `"order":"`+id+`"`); err != nil {
		return receipt{}, err
	}
	r, err := s.receipt(id)
	if err == nil && r.Greeting != greeting {
		err = fmt.Errorf("receipt of %s: want the changed greeting %q, got %q", id, greeting, r.Greeting)
	}
	return r, err
}

// again publishes messages of orders that are in the report once more, as a broker may: receipts and report stay.
func (s *shop) again(item string, ids [2]string, want totals) error {
	var before [2]receipt
	for i, qty := range []int{2, 12} {
		var err error
		if before[i], err = s.receipt(ids[i]); err != nil {
			return err
		}
		message := fmt.Sprintf(`{"id":%q,"item":%q,"qty":%d,"status":"reserved"}`, ids[i], item, qty)
		if err := s.run("publish", "pubsub", "order.placed", message, "--content-type", "application/json"); err != nil {
			return err
		}
	}
	// A further order, which comes behind them: once it is in the report they have been seen.
	if _, err := s.order(item, 4); err != nil {
		return err
	}
	if err := s.eventually("/report", want.String()); err != nil {
		return err
	}
	for i, id := range ids {
		if after, err := s.receipt(id); err != nil || after != before[i] {
			return fmt.Errorf("receipt of %s, whose message came twice: want %+v as before, got %+v, %w", id, before[i], after, err)
		}
	}
	return nil
}

// recall gives what the last run kept; nil if there was none.
func recall(file string) (*memory, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &memory{}
	return m, json.Unmarshal(text, m)
}

func remember(file string, m *memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
