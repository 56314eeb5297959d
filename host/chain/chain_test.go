package chain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

type recorder struct {
	name string
	log  *[]string
}

func (r recorder) Bind(op Op) Probe {
	if op.Block == "silent" {
		return nil
	}
	return r
}

func (r recorder) Begin(ctx context.Context) context.Context {
	*r.log = append(*r.log, r.name+" begin")
	return context.WithValue(ctx, recorder{name: r.name}, r.name)
}

func (r recorder) End(ctx context.Context, _ time.Duration, err error) {
	if ctx.Value(recorder{name: r.name}) != r.name {
		*r.log = append(*r.log, r.name+" got another context")
	}
	entry := r.name + " end"
	if err != nil {
		entry += ": " + err.Error()
	}
	*r.log = append(*r.log, entry)
}

type retry struct{ log *[]string }

func (r retry) Bind(op Op) Guard {
	if op.Name != "flaky" {
		return nil
	}
	return func(ctx context.Context, next func(context.Context) error) error {
		*r.log = append(*r.log, "try")
		if err := next(ctx); err == nil {
			return nil
		}
		*r.log = append(*r.log, "try again")
		return next(ctx)
	}
}

func TestDoOrder(t *testing.T) {
	var log []string
	c := New([]Observer{recorder{"outer", &log}, recorder{"inner", &log}}, []Policy{retry{&log}})
	calls := 0
	fn := func(_ context.Context, n int) (int, error) {
		calls++
		log = append(log, "call")
		if calls == 1 {
			return 0, errors.New("broken")
		}
		return n * 2, nil
	}
	tests := []struct {
		name string
		op   Op
		want string
		res  int
		err  string
	}{
		{"observed", Op{Name: "plain"}, "outer begin,inner begin,call,inner end: broken,outer end: broken", 0, "broken"},
		{"guarded", Op{Name: "flaky"}, "outer begin,inner begin,try,call,try again,call,inner end,outer end", 42, ""},
		{"not observed", Op{Block: "silent"}, "call", 0, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, calls = nil, 0
			res, err := Do(t.Context(), c.Point(tt.op), fn, 21)
			if got := strings.Join(log, ","); got != tt.want {
				t.Errorf("calls\n got %s\nwant %s", got, tt.want)
			}
			if res != tt.res || (err == nil) != (tt.err == "") {
				t.Errorf("got %d, %v; want %d, %q", res, err, tt.res, tt.err)
			}
		})
	}
}

func TestNilChain(t *testing.T) {
	var c *Chain
	got, err := Do(t.Context(), c.Point(Op{}), func(_ context.Context, s string) (string, error) { return s + "!", nil }, "a")
	if got != "a!" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

type quiet struct{}

func (quiet) Bind(Op) Probe                                    { return quiet{} }
func (quiet) Begin(ctx context.Context) context.Context        { return ctx }
func (quiet) End(context.Context, time.Duration, error)        {}
func double(_ context.Context, n int) (int, error)             { return 2 * n, nil }
func never(context.Context, func(context.Context) error) error { return errors.New("no") }

func TestDoAllocatesNothing(t *testing.T) {
	p := New([]Observer{quiet{}, quiet{}}, nil).Point(Op{})
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if got, _ := Do(ctx, p, double, 4); got != 8 {
			t.Fatal(got)
		}
	}); n != 0 {
		t.Errorf("an observed call allocates %v times; want 0", n)
	}
}

type refuse struct{}

func (refuse) Bind(Op) Guard { return never }

func TestGuardsNest(t *testing.T) {
	var log []string
	p := New(nil, []Policy{retry{&log}, refuse{}}).Point(Op{Name: "flaky"})
	if _, err := Do(t.Context(), p, double, 1); err == nil || err.Error() != "no" {
		t.Errorf("got %v; want the inner guard's refusal", err)
	}
	if !slices.Equal(log, []string{"try", "try again"}) {
		t.Errorf("outer guard saw %v", log)
	}
}
