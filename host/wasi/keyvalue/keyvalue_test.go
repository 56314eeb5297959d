package keyvalue

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abidraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
)

func TestOpen(t *testing.T) {
	h := hostOf(t, drivers[0])
	tests := []struct {
		name, store string
		tag         abikv.ErrorTag
	}{
		{"", "statestore", 0},
		{"default", "statestore", 0},
		{"statestore", "statestore", 0},
		{"plain", "plain", 0},
		{"secret", "", abikv.ErrorAccessDenied},
		{"nowhere", "", abikv.ErrorNoSuchStore},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := h.open(tt.name)
			if tt.store == "" {
				if err == nil || err.Tag != tt.tag {
					t.Fatalf("got %v; want %v", err, tt.tag)
				}
				_, failed := draft{h}.Open(t.Context(), tt.name)
				if failed == nil || failed.Tag != abidraft.ErrorTag(tt.tag) {
					t.Errorf("the first draft: got %v; want %v", failed, tt.tag)
				}
				return
			}
			if err != nil || b.store != tt.store {
				t.Errorf("got %+v, %v; want store %s", b, err, tt.store)
			}
		})
	}
}

func TestEntries(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			h := hostOf(t, driver)
			d := draft2{h}
			b, err := d.Open(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			value := []byte{0, 0xff, '"', '|'}
			if err := b.Set(t.Context(), "k", value); err != nil {
				t.Fatal(err)
			}
			if got, err := b.Get(t.Context(), "k"); err != nil || got == nil || !bytes.Equal(*got, value) {
				t.Errorf("got %v, %v; want %v", got, err, value)
			}
			if err := d.SetMany(t.Context(), b, []canon.Tuple2[string, []byte]{{F0: "a", F1: []byte("1")}, {F0: "e", F1: []byte{}}}); err != nil {
				t.Fatal(err)
			}
			many, err := spin{d}.GetMany(t.Context(), b, []string{"e", "none", "a"})
			if err != nil || len(many) != 3 || many[0].F1 == nil || len(*many[0].F1) != 0 || many[1].F0 != "none" || many[1].F1 != nil || string(*many[2].F1) != "1" {
				t.Errorf("Spin's get-many: got %+v, %v", many, err)
			}
			some, err := d.GetMany(t.Context(), b, []string{"e", "none", "a"})
			if err != nil || len(some) != 3 || some[0] == nil || some[1] != nil || some[2].F0 != "a" {
				t.Errorf("get-many: got %+v, %v", some, err)
			}
			if err := d.DeleteMany(t.Context(), b, []string{"a", "none"}); err != nil {
				t.Error(err)
			}
			if err := b.Delete(t.Context(), "none"); err != nil {
				t.Error(err)
			}
			for key, want := range map[string]bool{"a": false, "k": true, "e": true} {
				if got, err := b.Exists(t.Context(), key); err != nil || got != want {
					t.Errorf("exists %s: got %t, %v; want %t", key, got, err, want)
				}
			}
		})
	}
}

func TestBadKeys(t *testing.T) {
	d := draft2{hostOf(t, drivers[0])}
	b, err := d.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "a||b", strings.Repeat("k", 1<<17)} {
		for name, err := range map[string]*abikv.Error{
			"set":      b.Set(t.Context(), key, nil),
			"delete":   b.Delete(t.Context(), key),
			"set-many": d.SetMany(t.Context(), b, []canon.Tuple2[string, []byte]{{F0: "fine"}, {F0: key}}),
		} {
			if err == nil || err.Tag != abikv.ErrorOther || err.Value == "" {
				t.Errorf("%s %.10q: got %v; want other with a text", name, key, err)
			}
		}
		if _, err := b.Get(t.Context(), key); err == nil {
			t.Errorf("get %.10q: got no error", key)
		}
		if _, err := d.GetMany(t.Context(), b, []string{"fine", key}); err == nil {
			t.Errorf("get-many %.10q: got no error", key)
		}
		if _, err := d.Increment(t.Context(), b, key, 1); err == nil {
			t.Errorf("increment %.10q: got no error", key)
		}
	}
}

func TestIncrement(t *testing.T) {
	tests := []struct {
		value  string // "-" for none
		delta  int64
		want   int64
		fails  string
		udelta uint64
		uwant  uint64
		ufails string
	}{
		{"-", 5, 5, "", 5, 5, ""},
		{"7", -9, -2, "", 0, 7, ""},
		{"-7", 7, 0, "", 1, 0, "expected a decimal number from 0"},
		{"9223372036854775807", 1, 0, "beyond what a number can hold", 1, 1 << 63, ""},
		{"-9223372036854775808", -1, 0, "beyond what a number can hold", 1, 0, "expected a decimal number from 0"},
		{"18446744073709551615", 0, 0, "expected a decimal number", 1, 0, "beyond what a number can hold"},
		{"", 1, 0, "expected a decimal number", 1, 0, "expected a decimal number"},
		{"1.5", 1, 0, "expected a decimal number", 1, 0, "expected a decimal number"},
		{`"1"`, 1, 0, "expected a decimal number", 1, 0, "expected a decimal number"},
	}
	h := hostOf(t, drivers[1])
	b2, failed := draft2{h}.Open(t.Context(), "")
	b1, failed1 := draft{h}.Open(t.Context(), "")
	if failed != nil || failed1 != nil {
		t.Fatal(failed, failed1)
	}
	check := func(t *testing.T, key, got, want, failure, fails string) {
		t.Helper()
		if fails != "" {
			if !strings.Contains(failure, fails) {
				t.Errorf("got %s, %q; want an error with %q", got, failure, fails)
			}
			return
		}
		if failure != "" || got != want {
			t.Errorf("got %s, %q; want %s", got, failure, want)
		}
		if stored, _ := b2.Get(t.Context(), key); stored == nil || string(*stored) != want {
			t.Errorf("stored %v; want %s", stored, want)
		}
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			for _, key := range []string{"s", "u"} {
				var err *abikv.Error
				if tt.value == "-" {
					err = b2.Delete(t.Context(), key)
				} else {
					err = b2.Set(t.Context(), key, []byte(tt.value))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s, err := draft2{h}.Increment(t.Context(), b2, "s", tt.delta)
			failure := ""
			if err != nil {
				failure = err.Value
			}
			check(t, "s", fmt.Sprint(s), fmt.Sprint(tt.want), failure, tt.fails)
			u, uerr := draft{h}.Increment(t.Context(), b1, "u", tt.udelta)
			failure = ""
			if uerr != nil {
				failure = uerr.Value
			}
			check(t, "u", fmt.Sprint(u), fmt.Sprint(tt.uwant), failure, tt.ufails)
		})
	}
}

// TestIncrementTogether loses no increment when many come at once, of both dialects.
func TestIncrementTogether(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			h := hostOf(t, driver)
			b2, err := draft2{h}.Open(t.Context(), "")
			b1, err1 := draft{h}.Open(t.Context(), "")
			if err != nil || err1 != nil {
				t.Fatal(err, err1)
			}
			const workers, each = 8, 25
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for range each {
						if _, err := (draft2{h}).Increment(t.Context(), b2, "n", 2); err != nil {
							t.Error(err)
						}
						if _, err := (draft{h}).Increment(t.Context(), b1, "n", 1); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got, err := b2.Get(t.Context(), "n"); err != nil || string(*got) != fmt.Sprint(3*workers*each) {
				t.Errorf("got %s, %v; want %d", *got, err, 3*workers*each)
			}
		})
	}
}

func TestCompareAndSwap(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			d := draft2{hostOf(t, driver)}
			b, failed := d.Open(t.Context(), "")
			if failed != nil {
				t.Fatal(failed)
			}
			steps := []struct {
				name    string
				between func() *abikv.Error // what others do
				wins    bool
				now     string // what a failed swap says; "-" for no value
			}{
				{"no key", func() *abikv.Error { return nil }, true, ""},
				{"a value", func() *abikv.Error { return nil }, true, ""},
				{"written meanwhile", func() *abikv.Error { return b.Set(t.Context(), "k", []byte("theirs")) }, false, "theirs"},
				{"deleted meanwhile", func() *abikv.Error { return b.Delete(t.Context(), "k") }, false, "-"},
				{"made meanwhile", func() *abikv.Error { return b.Set(t.Context(), "k", []byte("new")) }, false, "new"},
			}
			for _, s := range steps {
				c, err := d.CasNew(t.Context(), b, "k")
				if err != nil {
					t.Fatal(s.name, err)
				}
				if err := s.between(); err != nil {
					t.Fatal(s.name, err)
				}
				lost := d.Swap(t.Context(), c, []byte("mine"))
				if (lost == nil) != s.wins {
					t.Fatalf("%s: got %v; want that it wins: %t", s.name, lost, s.wins)
				}
				if lost == nil {
					continue
				}
				if lost.Tag != abikv.CasErrorCasFailed {
					t.Fatalf("%s: got %v", s.name, lost)
				}
				now, err := lost.CasFailed.Current(t.Context())
				if text := orDash(now); err != nil || text != s.now {
					t.Errorf("%s: the new value is %s, %v; want %s", s.name, text, err, s.now)
				}
				if s.now == "-" {
					continue // the next step begins without the key
				}
				if again := d.Swap(t.Context(), lost.CasFailed, []byte("second")); again != nil {
					t.Errorf("%s: the second try: %v", s.name, again)
				}
			}
		})
	}
}

func orDash(v *[]byte) string {
	if v == nil {
		return "-"
	}
	return string(*v)
}

func TestListKeys(t *testing.T) {
	const keys = 2500
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			h := hostOf(t, driver)
			d := draft2{h}
			b, failed := d.Open(t.Context(), "")
			if failed != nil {
				t.Fatal(failed)
			}
			var want []string
			var items []canon.Tuple2[string, []byte]
			for i := range keys {
				want = append(want, fmt.Sprintf("k%05d", i))
				items = append(items, canon.Tuple2[string, []byte]{F0: want[i]})
			}
			if err := d.SetMany(t.Context(), b, items); err != nil {
				t.Fatal(err)
			}
			var got []string
			var cursor *string
			for {
				page, err := b.ListKeys(t.Context(), cursor)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page.Keys...)
				if cursor = page.Cursor; cursor == nil {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d keys; want %d", len(got), keys)
			}
			bad := "no cursor of this store"
			if _, err := b.ListKeys(t.Context(), &bad); err == nil {
				t.Error("a made-up cursor: got no error")
			}
			listCounting(t, h, want)
		})
	}
}

// listCounting lists by the first draft's cursors, also by those that the host has forgotten, and by made-up ones.
func listCounting(t *testing.T, h *Host, want []string) {
	t.Helper()
	b, failed := draft{h}.Open(t.Context(), "")
	if failed != nil {
		t.Fatal(failed)
	}
	for _, forget := range []bool{false, true} {
		var got []string
		var cursor *uint64
		for {
			page, err := b.ListKeys(t.Context(), cursor)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Keys...)
			if cursor = page.Cursor; cursor == nil {
				break
			}
			if forget {
				h.pages.tokens, h.pages.order = nil, nil
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("forgetting %t: got %d keys; want %d", forget, len(got), len(want))
		}
	}
	for _, at := range []uint64{1234, uint64(len(want)), uint64(len(want)) + 1, 1 << 63} {
		page, err := b.ListKeys(t.Context(), &at)
		if err != nil {
			t.Errorf("cursor %d: %v", at, err)
		}
		if first := min(int(at), len(want)); at < 1<<62 && (len(page.Keys) > 0) != (first < len(want)) || len(page.Keys) > 0 && page.Keys[0] != want[first] {
			t.Errorf("cursor %d: got %d keys", at, len(page.Keys))
		}
	}
}

func TestStoreWithoutListing(t *testing.T) {
	d := draft2{hostOf(t, drivers[0])}
	b, failed := d.Open(t.Context(), "plain")
	if failed != nil {
		t.Fatal(failed)
	}
	if _, err := b.ListKeys(t.Context(), nil); err == nil || !strings.Contains(err.Value, "cannot list keys") {
		t.Errorf("got %v; want that it cannot list keys", err)
	}
}

// TestDialects tells that all functions of the three dialects are offered, and none twice.
func TestDialects(t *testing.T) {
	seen := map[[3]string]int{}
	dialects := map[string]int{}
	for _, f := range New(Config{}).Funcs() {
		seen[[3]string{f.Module, f.Name, f.Type}]++
		if f.Name == "get-many" {
			dialects[f.Module]++
		}
	}
	for f, n := range seen {
		if n != 1 {
			t.Errorf("%v is offered %d times", f, n)
		}
	}
	if dialects[abikv.BatchModule] != 2 || dialects[abidraft.BatchModule] != 1 {
		t.Errorf("get-many: got %v; want two of draft2 and one of the first draft", dialects)
	}
}
