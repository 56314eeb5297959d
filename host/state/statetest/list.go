package statetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var lists = []property{
	{"ListNothing", (*suite).listNothing},
	{"ListByPrefixInOrder", (*suite).listOrder},
	{"ListPages", (*suite).listPages},
	{"ListWhileKeysComeAndGo", (*suite).listChanging},
	{"ListSpecialCharacters", (*suite).listSpecial},
	{"ListBadToken", (*suite).listBadToken},
}

// list reads all pages of limit keys; between runs after every page but the last.
func (s *suite) list(t *testing.T, prefix string, limit int, between func(page []string)) []string {
	t.Helper()
	lister, ok := state.As[state.Lister](s.store)
	if !ok {
		t.Fatal("the store lost its Lister")
	}
	var all []string
	req := state.ListRequest{Prefix: prefix, Limit: limit}
	for range 1000 {
		page, err := lister.ListKeys(t.Context(), req)
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		if len(page.Keys) > limit {
			t.Fatalf("list %q: got a page of %d keys, want at most %d", prefix, len(page.Keys), limit)
		}
		all = append(all, page.Keys...)
		if page.Next == "" {
			return all
		}
		if between != nil {
			between(page.Keys)
		}
		req.Token = page.Next
	}
	t.Fatalf("list %q: no end after 1000 pages", prefix)
	return nil
}

func wantKeys(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func (s *suite) listNothing(t *testing.T, p string) {
	wantKeys(t, "list", s.list(t, p, 10, nil), nil)
}

func (s *suite) listOrder(t *testing.T, p string) {
	names := []string{"b", "a", "ab", "a\x01", "B", "ä", "z", "~", "漢", "a/b", "10", "9"}
	for _, name := range names {
		s.set(t, p+"x"+name, "1")
	}
	s.set(t, p+"y", "1")
	s.set(t, p+"w", "1")
	s.set(t, p+"deleted", "1")
	s.delete(t, p+"deleted")
	var want, wantA []string
	for _, name := range names {
		want = append(want, p+"x"+name)
		if name[0] == 'a' {
			wantA = append(wantA, p+"x"+name)
		}
	}
	slices.Sort(want)
	slices.Sort(wantA)
	wantKeys(t, "list x", s.list(t, p+"x", 100, nil), want)
	wantKeys(t, "list xa", s.list(t, p+"xa", 100, nil), wantA)
	wantKeys(t, "list x by single keys", s.list(t, p+"x", 1, nil), want)
}

func (s *suite) listPages(t *testing.T, p string) {
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("%s%02d", p, i)
		want = append(want, key)
		s.set(t, key, "1")
	}
	for _, limit := range []int{1, 5, 7, 24, 25, 26, 1000} {
		wantKeys(t, fmt.Sprintf("list by %d", limit), s.list(t, p, limit, nil), want)
	}
}

// listChanging: keys that stay are listed exactly once, whatever happens around them.
func (s *suite) listChanging(t *testing.T, p string) {
	var stay []string
	for i := range 30 {
		key := fmt.Sprintf("%s%02d", p, i)
		s.set(t, key, "1")
		if i%3 == 0 {
			stay = append(stay, key)
		}
	}
	n := 0
	got := s.list(t, p, 4, func(page []string) {
		// Deletes keys before, on and after the page, and makes new ones on both sides.
		for i := n * 3; i < n*3+6 && i < 30; i++ {
			if i%3 != 0 {
				s.delete(t, fmt.Sprintf("%s%02d", p, i))
			}
		}
		if last := page[len(page)-1]; !slices.Contains(stay, last) {
			s.delete(t, last)
		}
		s.set(t, fmt.Sprintf("%s00-new-%d", p, n), "1")
		s.set(t, fmt.Sprintf("%s99-new-%d", p, n), "1")
		n++
	})
	if !slices.IsSorted(got) {
		t.Errorf("list: got %q, want ascending order", got)
	}
	for _, key := range stay {
		if count := len(slices.DeleteFunc(slices.Clone(got), func(k string) bool { return k != key })); count != 1 {
			t.Errorf("list: key %q came %d times, want once", key, count)
		}
	}
}

func (s *suite) listSpecial(t *testing.T, p string) {
	special := []string{"%", "_", "*", "?", "[", "]", "\\", "^", "[a-z]", "\\*", "%_", "'", "\"", "ä", "\U0001F600"}
	s.set(t, p+"a-plain", "1")
	s.set(t, p+"xyz-plain", "1")
	for _, c := range special {
		s.set(t, p+c+"-1", "1")
		s.set(t, p+c+"-2", "1")
	}
	for _, c := range special {
		// No other key starts with the character and a dash, though as a pattern it would match some.
		wantKeys(t, "list "+c+"-", s.list(t, p+c+"-", 10, nil), []string{p + c + "-1", p + c + "-2"})
		wantKeys(t, "list "+c+"- by single keys", s.list(t, p+c+"-", 1, nil), []string{p + c + "-1", p + c + "-2"})
	}
}

func (s *suite) listBadToken(t *testing.T, p string) {
	lister, ok := state.As[state.Lister](s.store)
	if !ok {
		t.Fatal("the store lost its Lister")
	}
	for _, token := range []string{"!", "bm9uZQ", state.PageToken("another app's||key")} {
		_, err := lister.ListKeys(t.Context(), state.ListRequest{Prefix: p, Limit: 10, Token: token})
		wantErr(t, "token "+token, err, state.ErrInvalid)
	}
}
