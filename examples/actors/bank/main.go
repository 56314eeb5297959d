// Command bank moves money between accounts that are actors. Transfers are actors too, each of which sees to it that
// its money is moved once, even when the host is killed in the middle. See the README for how to watch that.
package main

import (
	_ "embed" // page.html
	"errors"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
)

//go:embed page.html
var page []byte

func init() {
	http.Route("GET /bank", front)
	http.Route("GET /bank/", front)
	http.Route("GET /bank/total", getTotal)
	http.Route("GET /bank/accounts", getAccounts)
	http.Route("POST /bank/accounts", postAccount)
	http.Route("GET /bank/transfers/{id}", getTransfer)
	http.Route("POST /bank/transfers", postTransfer)
}

func main() {}

func front(*http.Request) *http.Response {
	resp := &http.Response{Status: 200, Body: page}
	resp.Header.Set("Content-Type", "text/html; charset=utf-8")
	return resp
}

func getTotal(*http.Request) *http.Response {
	a, err := audit.Invoke(theBank, actor.None{})
	if err != nil {
		return failed(err)
	}
	return http.JSON(200, a)
}

func getAccounts(*http.Request) *http.Response {
	ids, err := list.Invoke(theBank, actor.None{})
	if err != nil {
		return failed(err)
	}
	views := make([]AccountView, 0, len(ids))
	for _, id := range ids {
		v, err := show.Invoke(id, actor.None{})
		if err != nil {
			return failed(err)
		}
		views = append(views, v)
	}
	return http.JSON(200, map[string]any{"accounts": views})
}

func postAccount(r *http.Request) *http.Response {
	var in struct {
		ID      string `json:"id"`
		Balance int64  `json:"balance"`
	}
	if err := r.Decode(&in); err != nil {
		return http.Error(400, "%v", err)
	}
	if !name(in.ID) || in.Balance < 0 || in.Balance > maxAmount {
		return http.Error(400, `want {"id": %s, "balance": 0 to %d}, found id %q and balance %d`, nameForm, int64(maxAmount), in.ID, in.Balance)
	}
	if _, err := enter.Invoke(theBank, in.ID); err != nil {
		return failed(err)
	}
	v, err := open.Invoke(in.ID, in.Balance)
	if err != nil {
		return failed(err)
	}
	return http.JSON(201, v)
}

// postTransfer begins a transfer and goes on with it to its end, or leaves that to the reminder if the client does not
// wait (Prefer: respond-async). 202 says that the money will be moved; asking again with the same order is harmless.
func postTransfer(r *http.Request) *http.Response {
	var o Order
	if err := r.Decode(&o); err != nil {
		return http.Error(400, "%v", err)
	}
	if !name(o.ID) || !name(o.From) || !name(o.To) || o.From == o.To || o.Amount < 1 || o.Amount > maxAmount {
		return http.Error(400, `want {"id", "from", "to": each %s, from and to not the same, "amount": 1 to %d}, found %+v`, nameForm, int64(maxAmount), o)
	}
	v, err := begin.Invoke(o.ID, o)
	if err != nil {
		return failed(err)
	}
	if r.Header.Get("Prefer") == "respond-async" && v.Status == statusPending {
		return http.JSON(202, v)
	}
	if v, err = move.Invoke(o.ID, actor.None{}); err != nil {
		log.Warn("a transfer waits for its reminder", "id", o.ID, "error", err)
		return http.JSON(202, TransferView{Order: o, Status: statusPending})
	}
	if _, err := closed.Invoke(o.ID, actor.None{}); err != nil {
		log.Warn("a settled transfer is closed by its reminder", "id", o.ID, "error", err)
	}
	return http.JSON(200, v)
}

func getTransfer(r *http.Request) *http.Response {
	id := r.Param("id")
	if !name(id) {
		return http.Error(400, "want a transfer's id: %s", nameForm)
	}
	v, err := showTransfer.Invoke(id, actor.None{})
	switch {
	case err != nil:
		return failed(err)
	case v.Status == "":
		return http.Error(404, "there is no transfer %s", id)
	}
	return http.JSON(200, v)
}

// failed answers for a call of an actor that failed: 409 if the actor refuses, 503 if trying again may help.
func failed(err error) *http.Response {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return http.Error(500, "%v", err)
	}
	if why, ok := refusal(e.Message); ok {
		return http.Error(409, "%s", why)
	}
	return http.Error(503, "%v", err)
}

const (
	maxAmount = 1_000_000_000_000
	nameForm  = "1 to 64 letters, digits, '-', '_' or '.'"
)

// name tells whether text can name an account or a transfer.
func name(text string) bool {
	return text != "" && len(text) <= 64 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}
