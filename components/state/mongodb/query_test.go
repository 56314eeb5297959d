package mongodb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// TestQueriesMeanTheSame compares what the database finds with what all entries, looked at one by one, give.
func TestQueriesMeanTheSame(t *testing.T) {
	server := testserver.FerretDB(t)
	s := opened(t, component.Metadata{"host": server.Addr})
	r := rand.New(rand.NewPCG(1, 2))
	var items []state.QueryItem
	scalars := []string{
		`null`, `true`, `false`, `0`, `1`, `1.0`, `1e0`, `-1`, `0.1`, `0.10000000000000001`, `0.1000000000000000055511151231257827`, `9007199254740993`,
		`9007199254740993.0`, `9223372036854775808`, `1e300`, `1e999`, `""`, `"a"`, `"b"`, `"é"`, `"1"`, `"$a"`,
	}
	fields := []string{"a", "b", "a.b", "$c", "a.$c", "", "b.a", "0"}
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	var value func(depth int) string
	value = func(depth int) string {
		switch {
		case depth < 3 && r.IntN(3) == 0:
			text := "{"
			for i, name := range fields {
				if r.IntN(3) == 0 {
					if text != "{" {
						text += ", "
					}
					text += fmt.Sprintf("%q: %s", fields[i], value(depth+1))
				}
				_ = name
			}
			return text + "}"
		case depth > 0 && r.IntN(6) == 0:
			return "[" + value(depth+1) + "," + value(depth+1) + "]"
		default:
			return pick(scalars)
		}
	}
	for i := range 150 {
		text := value(r.IntN(2) - 1) // mostly objects
		if i%10 == 0 {
			text = " \n" + text
		}
		key := fmt.Sprintf("app||%03d", i)
		set(t, s, key, text)
		if got := get(t, s, key); got != text {
			t.Fatalf("got %s, want %s", got, text)
		}
		items = append(items, state.QueryItem{Key: key, Value: []byte(text)})
	}
	var filter func(depth int) state.Filter
	filter = func(depth int) state.Filter {
		if depth < 3 && r.IntN(4) == 0 {
			return state.Filter{Op: pick([]string{"AND", "OR"}), Filters: []state.Filter{filter(depth + 1), filter(depth + 1)}}
		}
		f := state.Filter{Op: pick([]string{"EQ", "NEQ", "GT", "GTE", "LT", "LTE", "IN"}), Key: pick([]string{"a", "b", "a.b", "a.b.a", "$c", "a.$c", "a.", "0", "b.0"})}
		for range 1 + r.IntN(2) {
			var v any
			text := pick(scalars)
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				v = json.Number(text)
			} else if _, ok := v.(float64); ok {
				v = json.Number(text)
			}
			f.Values = append(f.Values, v)
		}
		return f
	}
	for range 400 {
		f := filter(0)
		q := state.Query{Prefix: "app||", Filter: &f}
		switch r.IntN(3) {
		case 0:
			q.Sort = []state.SortKey{{Key: pick([]string{"a", "b", "a.b"}), Desc: r.IntN(2) == 0}}
			q.Limit = r.IntN(10)
		case 1:
			q.Limit = 1 + r.IntN(10)
			q.Token = fmt.Sprint(r.IntN(5))
		}
		want, errWant := state.RunQuery(all(items), q)
		got, err := s.Query(t.Context(), q)
		if err != nil || errWant != nil {
			t.Fatalf("%+v: errors %v and %v", f, err, errWant)
		}
		keys := func(page state.QueryPage) (out []string) {
			for _, item := range page.Items {
				out = append(out, item.Key)
			}
			return out
		}
		if !slices.Equal(keys(got), keys(want)) || got.Token != want.Token {
			t.Fatalf("%+v, sort %v, limit %d, token %q: got %q and token %q, want %q and token %q", f, q.Sort, q.Limit, q.Token, keys(got), got.Token, keys(want), want.Token)
		}
	}
}

// TestQueryReadsNoMoreThanItNeeds pages through more entries than are looked at together.
func TestQueryReadsNoMoreThanItNeeds(t *testing.T) {
	read := 0
	items := func(yield func(state.QueryItem, error) bool) {
		for i := range 10 * chunk {
			read++
			if !yield(state.QueryItem{Key: fmt.Sprintf("%05d", i), Value: fmt.Appendf(nil, `{"n": %d}`, i)}, nil) {
				return
			}
		}
	}
	f := &state.Filter{Op: "NEQ", Key: "n", Values: []any{json.Number("1")}}
	q := state.Query{Filter: f, Limit: 10}
	for want := 0; want < 1000; want += 10 {
		read = 0
		page, err := firstPage(items, q)
		if err != nil || len(page.Items) != 10 || page.Token != fmt.Sprint(want+10) {
			t.Fatalf("page at %d: got %d items, token %q, error %v", want, len(page.Items), page.Token, err)
		}
		if read > want+10+2*chunk {
			t.Fatalf("page at %d: %d entries were read", want, read)
		}
		q.Token = page.Token
	}
	q.Token = fmt.Sprint(10*chunk - 5)
	if page, err := firstPage(items, q); err != nil || len(page.Items) != 4 || page.Token != "" {
		t.Errorf("last page: got %d items, token %q, error %v, want 4", len(page.Items), page.Token, err)
	}
	broken := errors.New("broken")
	failing := func(yield func(state.QueryItem, error) bool) { yield(state.QueryItem{}, broken) }
	if _, err := firstPage(failing, q); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "a": "b", "app||": "app|}", "a\u007f": "a\u0080", "漢": "漣", "a\ud7ff": "a\ue000", "a\U0010ffff": "b", "\U0010ffff": ""} {
		got, ok := prefixEnd(prefix)
		if got != want || ok != (want != "") || !utf8.ValidString(got) {
			t.Errorf("%q: got %q, %t, want %q", prefix, got, ok, want)
		}
		if want != "" && want <= prefix+"\U0010ffff\U0010ffff" {
			t.Errorf("%q: the end %q is not behind all that start with it", prefix, want)
		}
	}
}

// FuzzValue: every text is the same once it was stored as a document.
func FuzzValue(f *testing.F) {
	for _, text := range []string{`{"a": [1, 2.50, null, {"b": "\u00e9\u2028<"}]}`, `{}`, `{"a":1e5}`, `{"a":-0}`, `{"a":{"b":{}}}`, "\xff", `{"a":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		s := &store{}
		c, err := s.change(&state.SetRequest{Key: "k", Value: value})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(c.doc)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		got, err := decode(raw)
		if err != nil || string(got) != string(value) {
			t.Fatalf("got %q, error %v, want %q", got, err, value)
		}
	})
}
