package cron

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

func tryOpen(t testing.TB, metadata ...string) (binding.Binding, error) {
	t.Helper()
	cfg := component.Config{Name: "tick", Metadata: component.Metadata{}, Log: slog.New(slog.DiscardHandler)}
	for i := 0; i < len(metadata); i += 2 {
		cfg.Metadata[metadata[i]] = metadata[i+1]
	}
	return Spec.New(t.Context(), cfg)
}

func TestConformance(t *testing.T) {
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		b, err := tryOpen(t, "schedule", "* * * * * *")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, bindingtest.Caps{Unmarked: true, Emit: func(testing.TB, binding.Binding, string) {}})
}

func TestSchedules(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, time.January, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		schedule, zone string
		want           time.Time
	}{
		{"@every 15s", "", at.Add(15 * time.Second)},
		{"*/20 * * * * *", "", at.Add(20 * time.Second)},
		{"30 12 * * *", "UTC", at.Add(30 * time.Minute)},
		{"CRON_TZ=Europe/Berlin 0 30 14 * * *", "", time.Date(2030, time.January, 1, 14, 30, 0, 0, berlin)},
		{"TZ=Europe/Berlin 0 30 14 * * *", "Europe/Berlin", time.Date(2030, time.January, 1, 14, 30, 0, 0, berlin)},
		{"0 30 14 * * *", "Europe/Berlin", time.Date(2030, time.January, 1, 14, 30, 0, 0, berlin)},
		{"@daily", "UTC", at.Add(12 * time.Hour)},
		{"0 0 0 29 2 *", "UTC", time.Date(2032, time.February, 29, 0, 0, 0, 0, time.UTC)},
	} {
		schedule, zone, err := parse(test.schedule, test.zone)
		if err != nil {
			t.Errorf("%s: %v", test.schedule, err)
			continue
		}
		if got := schedule.Next(at.In(zone)); !got.Equal(test.want) {
			t.Errorf("%s: next is %s, want %s", test.schedule, got, test.want)
		}
	}
}

func TestSchedulesThatAreRefused(t *testing.T) {
	for _, test := range [][3]string{
		{"", "", "schedule is missing"},
		{"0 0 30 2 *", "", "never fires"},
		{"0 0 0 31 2,4,6,9,11 *", "", "never fires"},
		{"often", "", "want five or six fields"},
		{"* * *", "", "want five or six fields"},
		{"61 * * * * *", "", "want five or six fields"},
		{"@every soon", "", "want five or six fields"},
		{"@every -1s", "", "1s or more"},
		{"@every 0s", "", "1s or more"},
		{"TZ=UTC", "", "a space and the schedule"},
		{"CRON_TZ=", "", "a space and the schedule"},
		{"CRON_TZ=Atlantis/Capital * * * * *", "", "want a time zone"},
		{"* * * * *", "../../etc/passwd", "want a time zone"},
		{"TZ=UTC * * * * *", "Europe/Berlin", "want one of both"},
		{"*/0 * * * *", "", "want five or six fields"},
		{"1-99999999999999999999 * * * *", "", "want five or six fields"},
	} {
		_, err := tryOpen(t, "schedule", test[0], "timeZone", test[1])
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test[2]) {
			t.Errorf("schedule %q, zone %q: got %v, want a permanent error with %q", test[0], test[1], err, test[2])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * * *", "@every 1s", "CRON_TZ=UTC 1-5/2 * * * MON", "TZ=", "TZ=0", "@", "*/0 ? L W #", "CRON_TZ=CRON_TZ=UTC"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		schedule, _, err := parse(text, "")
		if err == nil && schedule.Next(time.Now()).IsZero() {
			t.Errorf("%q never fires and was taken", text)
		}
	})
}

// ticks counts how many handlers run at once while the first takes its time.
func ticks(t *testing.T, overlap string) (most int64) {
	t.Helper()
	b, err := tryOpen(t, "schedule", "@every 1s", "overlap", overlap)
	if err != nil {
		t.Fatal(err)
	}
	var running, seen, max atomic.Int64
	fourth, release := make(chan struct{}), make(chan struct{})
	began := time.Now()
	r, err := b.(binding.Input).Read(t.Context(), "app", func(context.Context, *binding.Event) ([]byte, error) {
		max.Store(maxOf(max.Load(), running.Add(1)))
		defer running.Add(-1)
		switch seen.Add(1) {
		case 1:
			<-release
		case 2:
			if overlap == "true" {
				close(release)
			}
		case 3:
			close(fourth)
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if overlap != "true" {
		// Two ticks pass meanwhile, and are left out.
		time.Sleep(time.Until(began.Add(3200 * time.Millisecond)))
		if n := seen.Load(); n > 1 {
			t.Errorf("%d events while the first was handled, want none more", n)
		}
		close(release)
	}
	select {
	case <-fourth:
	case <-time.After(deadline):
		t.Fatal("the schedule does not go on")
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	return max.Load()
}

func maxOf(a, b int64) int64 { return max(a, b) }

func TestNoOverlap(t *testing.T) {
	if got := ticks(t, "false"); got != 1 {
		t.Errorf("%d handlers ran at once, want 1", got)
	}
}

func TestOverlap(t *testing.T) {
	if got := ticks(t, "true"); got < 2 {
		t.Errorf("%d handlers ran at once, want 2", got)
	}
}

func TestEventMetadata(t *testing.T) {
	b, err := tryOpen(t, "schedule", "@every 1s", "timeZone", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *binding.Event, 100)
	r, err := b.(binding.Input).Read(t.Context(), "app", func(_ context.Context, ev *binding.Event) ([]byte, error) {
		got <- ev
		return nil, errors.New("a failure does not stop the schedule")
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case ev := <-got:
			if ev.Metadata["timeZone"] != "Europe/Berlin" || len(ev.Data) != 0 {
				t.Errorf("got %+v", ev)
			}
			for _, key := range []string{"readTimeUTC", "scheduledTimeUTC"} {
				if at, err := time.Parse(time.RFC3339Nano, ev.Metadata[key]); err != nil || at.Location() != time.UTC {
					t.Errorf("%s: got %q, %v", key, ev.Metadata[key], err)
				}
			}
		case <-time.After(deadline):
			t.Fatal("no event")
		}
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
