//go:build wasip1

// Command kept is the guest of the engine's tests of kept instances: something like an actor, with fields that stay.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {}

// hostReenter has the host call descend(depth) of this very instance.
//
//go:wasmimport mrt:test/host@0.1.0 reenter
func hostReenter(depth uint32) uint32

// account is the actor's state.
type account struct {
	Owner   string            `json:"owner"`
	Balance int64             `json:"balance"`
	Entries []entry           `json:"entries"`
	Labels  map[string]string `json:"labels"`
}

type entry struct {
	Amount int64     `json:"amount"`
	At     time.Time `json:"at"`
	Note   string    `json:"note"`
}

var (
	state = account{Owner: os.Getenv("OWNER"), Labels: map[string]string{}}
	// boot is random from the start, and so are the seeds of maps and hash tables.
	boot    = rand.Uint64()
	colours = map[string]int{"red": 1, "green": 2, "blue": 3, "black": 4, "white": 5}
	word    = regexp.MustCompile(`^[a-z]+-[0-9]+$`)
	began   = time.Now()
	hoard   [][]byte
)

// warmUp runs on an account that nobody keeps what every turn runs.
//
//go:wasmexport mrt:app/warmup
func warmUp() {
	a := account{Labels: map[string]string{}}
	for n := range int64(3) {
		a.deposit(n)
	}
	done := make(chan struct{})
	go func() { time.Sleep(time.Millisecond); close(done) }()
	<-done
}

//go:wasmexport noop
func noop() {}

// deposit is a usual turn: it decodes, changes its state and encodes. It gives the new balance.
//
//go:wasmexport deposit
func deposit(amount int64) int64 { return state.deposit(amount) }

func (a *account) deposit(amount int64) int64 {
	var e entry
	text := fmt.Sprintf(`{"amount":%d,"at":%q,"note":"note-%d"}`, amount, time.Now().Format(time.RFC3339Nano), amount)
	if err := json.Unmarshal([]byte(text), &e); err != nil || !word.MatchString(e.Note) {
		panic(fmt.Sprint(err, e))
	}
	a.Balance += e.Amount
	a.Entries = append(a.Entries, e)
	a.Entries = a.Entries[max(len(a.Entries)-100, 0):]
	a.Labels[e.Note] = strings.ToUpper(e.Note)
	if _, err := json.Marshal(a); err != nil {
		panic(err)
	}
	return a.Balance
}

//go:wasmexport balance
func balance() int64 { return state.Balance }

// checked is a sum over all of the state, to be compared.
//
//go:wasmexport checked
func checked() int64 {
	sum := state.Balance + int64(len(hoard))
	for _, e := range state.Entries {
		sum = sum*31 + e.Amount + e.At.UnixNano() + int64(len(e.Note))
	}
	for _, k := range slices.Sorted(maps.Keys(state.Labels)) {
		for _, c := range k + state.Labels[k] {
			sum = sum*31 + int64(c)
		}
	}
	for _, b := range hoard {
		sum = sum*31 + int64(b[0]) + int64(b[len(b)-1])
	}
	return sum
}

// fails changes the state in many places and then panics, exits, runs on or returns.
//
//go:wasmexport fails
func fails(how uint32) {
	deposit(1000)
	grow(8)
	clear(colours)
	switch how {
	case 0:
		panic("on purpose")
	case 1:
		os.Exit(3)
	case 2:
		for state.Balance != 0 {
			state.Balance |= 1
		}
	case 3:
		hostReenter(1 << 31)
	}
}

// grow keeps some MiB.
//
//go:wasmexport grow
func grow(mib uint32) {
	for n := range mib {
		b := make([]byte, 1<<20)
		b[0], b[len(b)-1] = byte(n+1), byte(n+2)
		hoard = append(hoard, b)
	}
}

//go:wasmexport random
func random() uint64 { return rand.Uint64() }

//go:wasmexport booted
func booted() uint64 { return boot }

// clock is the monotonic clock since the guest's start, in nanoseconds.
//
//go:wasmexport clock
func clock() int64 { return int64(time.Since(began)) }

// trapAt is the depth at which descend panics; 0 is none.
var trapAt uint32

//go:wasmexport trapat
func setTrapAt(depth uint32) { trapAt = depth }

// descend calls itself through the host, down to depth 0, while goroutines run and the collector does, and checks
// that what it had on its stack and in its heap before is there after. It gives the number of levels.
//
//go:wasmexport descend
func descend(depth uint32) uint32 {
	var local [64]uint64
	for i := range local {
		local[i] = uint64(depth)<<32 + uint64(i)
	}
	kept := make(map[string][]byte)
	for i := range 50 {
		kept[fmt.Sprint(depth, i)] = []byte(strings.Repeat(fmt.Sprint(i), 20))
	}
	var wg sync.WaitGroup
	sums := make(chan int)
	for n := range 4 {
		wg.Go(func() {
			sum := 0
			for i := range 200 {
				sum += len(strings.Repeat("x", i%17)) * n
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
			sums <- sum
		})
	}
	go func() { wg.Wait(); close(sums) }()
	total := <-sums
	runtime.GC()
	levels := uint32(0)
	if depth == trapAt && depth > 0 {
		panic("trapped in the depth")
	}
	if depth > 0 {
		levels = hostReenter(depth - 1)
	}
	runtime.GC()
	for sum := range sums {
		total += sum
	}
	time.Sleep(time.Microsecond)
	for i := range local {
		if local[i] != uint64(depth)<<32+uint64(i) {
			panic("the stack has changed")
		}
	}
	for i := range 50 {
		if string(kept[fmt.Sprint(depth, i)]) != strings.Repeat(fmt.Sprint(i), 20) {
			panic("the heap has changed")
		}
	}
	state.Balance += int64(total)
	return levels + 1
}
