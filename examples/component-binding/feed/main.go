// Command feed is a binding, for components of type bindings.wasm. As an output it posts to a webhook; as an input it
// polls a feed, a JSON list of entries in ascending order of their numbers, and brings each entry once to each app. How
// far an app has come it keeps in a state store that is granted to it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/input"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/output"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	f := &feed{}
	output.Register(f)
	input.Register(f)
}

func main() {}

// feed is both directions. Each app that reads has an instance to itself.
type feed struct {
	webhook, url string
	interval     time.Duration
	polled       time.Time

	progress state.Store
	key      string       // of the app's progress
	done     int          // all entries up to here are settled
	taken    map[int]bool // what was brought: settled or not
	again    []entry      // what is to be brought again
	entries  map[int]entry
}

// entry is one entry of the feed.
type entry struct {
	Number int             `json:"number"`
	Data   json.RawMessage `json:"data"`
}

// Init takes the metadata fields webhook, feed (URLs), interval and store. For an app that reads there is also consumer.
func (f *feed) Init(metadata map[string]string) error {
	f.webhook, f.url = metadata["webhook"], metadata["feed"]
	f.taken, f.entries = map[int]bool{}, map[int]entry{}
	if f.webhook == "" && f.url == "" {
		return fmt.Errorf("%w: metadata fields webhook and feed: want at least one URL", binding.ErrInvalidRequest)
	}
	var err error
	if f.interval, err = time.ParseDuration(metadata["interval"]); err != nil {
		return fmt.Errorf("%w: metadata field interval: want a duration such as 10s, found %q", binding.ErrInvalidRequest, metadata["interval"])
	}
	if metadata["consumer"] == "" {
		return nil
	}
	f.progress, f.key = state.Open(metadata["store"]), "progress of "+metadata["consumer"]
	f.done, _, err = state.GetJSON[int](f.progress, f.key)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}

// Operations: post sends the data to the webhook.
func (f *feed) Operations() []string { return []string{"post"} }

// Invoke posts.
func (f *feed) Invoke(r driver.Request) (*driver.Reply, error) {
	if !json.Valid(r.Data) {
		return nil, fmt.Errorf("%w: the webhook takes JSON", binding.ErrInvalidRequest)
	}
	resp, err := client.Post(f.webhook, "application/json", r.Data)
	if err != nil {
		return nil, unavailable(err)
	}
	metadata := map[string]string{"statusCode": strconv.Itoa(resp.Status)}
	switch {
	case resp.Status == 404:
		return nil, fmt.Errorf("%w: %s answered 404", binding.ErrNotFound, f.webhook)
	case resp.Status >= 500:
		return nil, fmt.Errorf("%w: %s answered %d", binding.ErrUnavailable, f.webhook, resp.Status)
	case resp.Status >= 400:
		return nil, fmt.Errorf("%w: %s answered %d: %s", binding.ErrInvalidRequest, f.webhook, resp.Status, resp.Body)
	}
	return &driver.Reply{Data: resp.Body, Metadata: metadata}, nil
}

func unavailable(err error) error {
	if errors.Is(err, client.ErrConnection) || errors.Is(err, client.ErrTimeout) {
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	}
	return err
}

// Pull brings what failed before, and then what is new.
func (f *feed) Pull(limit int, wait time.Duration) ([]driver.Event, error) {
	for end := time.Now().Add(wait); len(f.again) == 0; time.Sleep(time.Millisecond) {
		if time.Since(f.polled) >= f.interval {
			if err := f.poll(); err != nil {
				return nil, err
			}
		}
		if len(f.again) == 0 && !time.Now().Before(end) {
			return nil, nil
		}
	}
	n := min(limit, len(f.again))
	out := make([]driver.Event, n)
	for i, e := range f.again[:n] {
		out[i] = driver.Event{ID: strconv.Itoa(e.Number), Data: e.Data, ContentType: "application/json", Metadata: map[string]string{"number": strconv.Itoa(e.Number)}}
	}
	f.again = f.again[n:]
	return out, nil
}

// poll asks the feed for what comes after what is known.
func (f *feed) poll() error {
	last := f.done + len(f.taken)
	resp, err := client.Get(fmt.Sprintf("%s?after=%d", f.url, last))
	if err != nil {
		return unavailable(err)
	}
	if resp.Status != 200 {
		return fmt.Errorf("%w: %s answered %d", binding.ErrUnavailable, f.url, resp.Status)
	}
	var list []entry
	if err := json.Unmarshal(resp.Body, &list); err != nil {
		return fmt.Errorf("%s does not answer with a list of entries: %w", f.url, err)
	}
	f.polled = time.Now()
	for _, e := range list {
		if e.Number == last+1 {
			last++
			f.taken[e.Number], f.entries[e.Number] = false, e
			f.again = append(f.again, e)
		}
	}
	return nil
}

// Settle notes what is done with, as far as nothing before it is missing.
func (f *feed) Settle(id string, handled bool) error {
	n, err := strconv.Atoi(id)
	if _, known := f.taken[n]; err != nil || !known {
		return fmt.Errorf("%w: there is no event %s", binding.ErrInvalidRequest, id)
	}
	if !handled {
		f.again = append(f.again, f.entries[n])
		return nil
	}
	f.taken[n] = true
	before := f.done
	for f.taken[f.done+1] {
		f.done++
		delete(f.taken, f.done)
		delete(f.entries, f.done)
	}
	if f.done == before {
		return nil
	}
	return state.SetJSON(f.progress, f.key, f.done)
}
