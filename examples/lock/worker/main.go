// Command worker is an app of which several contend: for a ledger that only one may write at a time, and for who leads.
package main

import (
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	http.Route("POST /{app}/ledger", enter)
	http.Route("GET /{app}/ledger", read)
	http.Route("POST /{app}/leader", lead)
	http.Route("DELETE /{app}/leader/{owner}", resign)
}

func main() {}

// Ledger is what only one may write at a time. Writing it takes several steps, without any check of an etag.
type Ledger struct {
	Entries int            `json:"entries"`
	By      map[string]int `json:"by"`
}

// The times after which locks end by themselves: much longer than the work under them takes.
const (
	ledgerTime = 30 * time.Second
	leaderTime = 2 * time.Second
)

// enter adds an entry under the ledger's lock. Whoever has the lock is busy with it: 423, try again.
func enter(r *http.Request) *http.Response {
	var after Ledger
	ran, err := lock.With("", "ledger", ledgerTime, func() (err error) {
		after, err = add(r.Param("app"))
		return err
	})
	switch {
	case errors.Is(err, lock.ErrLost):
		log.Error("the ledger may have been written by two at once", "error", err)
		return http.Error(500, "%v", err)
	case err != nil:
		return http.Error(503, "%v", err)
	case !ran:
		return http.Error(423, "somebody else writes the ledger")
	default:
		return http.JSON(200, after)
	}
}

func add(app string) (Ledger, error) {
	ledger, err := load()
	if err != nil {
		return ledger, err
	}
	ledger.Entries++
	if ledger.By == nil {
		ledger.By = map[string]int{}
	}
	ledger.By[app]++
	return ledger, state.SetJSON(state.Default, "ledger", ledger)
}

func load() (Ledger, error) {
	ledger, _, err := state.GetJSON[Ledger](state.Default, "ledger")
	if errors.Is(err, state.ErrNotFound) {
		err = nil
	}
	return ledger, err
}

func read(*http.Request) *http.Response {
	ledger, err := load()
	if err != nil {
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, ledger)
}

// Term is a leader's: it ends by itself, or with DELETE.
type Term struct {
	Leader string `json:"leader"`
	Owner  string `json:"owner"`
}

// lead makes the app the leader, if there is none: a lock that outlives the request.
func lead(r *http.Request) *http.Response {
	term := Term{Leader: r.Param("app"), Owner: lock.NewOwner()}
	got, err := lock.TryLock("", "leader", term.Owner, leaderTime)
	switch {
	case err != nil:
		return http.Error(503, "%v", err)
	case !got:
		return http.Error(423, "somebody else leads")
	default:
		return http.JSON(200, term)
	}
}

// resign ends a term. Who is not the leader any more learns it here.
func resign(r *http.Request) *http.Response {
	err := lock.Unlock("", "leader", r.Param("owner"))
	switch {
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, lock.ErrHeldByOther):
		return http.Error(409, "the term is over: %v", err)
	case err != nil:
		return http.Error(503, "%v", err)
	default:
		return http.Text(200, "resigned\n")
	}
}
