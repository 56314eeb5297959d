// Package cron is the driver bindings.cron: events at the times of a schedule. It keeps nothing: a time that passes
// while nobody reads is not made up for, as in Dapr, and every host that reads it fires by itself.
package cron

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	robfig "github.com/robfig/cron/v3"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.cron",
	Doc: `Events at the times of a schedule.

The schedule has five fields (minute, hour, day of month, month, day of week) or six, with seconds in front; or is
@every 10s, @hourly, @daily, @weekly, @monthly or @yearly. Times are local ones, or those of a zone in front, as in
CRON_TZ=Europe/Berlin 0 30 9 * * *. An event has no data; its metadata are readTimeUTC, scheduledTimeUTC and timeZone.
A time that comes while the event before is still handled is left out, unless overlap is true.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	Schedule string `metadata:"schedule,required" doc:"when to fire, for example @every 15s or 0 30 9 * * MON-FRI"`
	TimeZone string `metadata:"timeZone" doc:"zone of the schedule's times, for example Europe/Berlin; default the machine's"`
	Overlap  bool   `metadata:"overlap" default:"false" doc:"fire also while the event before is still handled"`
}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	schedule, zone, err := parse(s.Schedule, s.TimeZone)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field schedule: %w", err))
	}
	return &clock{schedule: schedule, zone: zone, overlap: s.Overlap, log: cfg.Log}, nil
}

// parse reads a schedule that fires some time.
func parse(text, zone string) (robfig.Schedule, *time.Location, error) {
	text = strings.TrimSpace(text)
	loc, spec, err := location(text, zone)
	if err != nil {
		return nil, nil, err
	}
	if every, ok := strings.CutPrefix(spec, "@every"); ok {
		if d, err := time.ParseDuration(strings.TrimSpace(every)); err == nil && d <= 0 {
			return nil, nil, fmt.Errorf("want @every and a duration of 1s or more, found %q", text)
		}
	}
	const fields = robfig.SecondOptional | robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow | robfig.Descriptor
	schedule, err := robfig.NewParser(fields).Parse("CRON_TZ=" + loc.String() + " " + spec)
	if err != nil {
		return nil, nil, fmt.Errorf("want five or six fields such as */15 * * * * *, or @every 15s; found %q: %w", text, err)
	}
	if schedule.Next(time.Now()).IsZero() {
		return nil, nil, fmt.Errorf("%q never fires: no such time comes within five years; check day of month and month", text)
	}
	return schedule, loc, nil
}

// location takes the zone from in front of the schedule.
func location(text, zone string) (*time.Location, string, error) {
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok {
			continue
		}
		name, spec, ok := strings.Cut(rest, " ")
		if !ok || name == "" {
			return nil, "", fmt.Errorf("want %s, a zone, a space and the schedule; found %q", prefix, text)
		}
		if zone != "" && zone != name {
			return nil, "", fmt.Errorf("%q has a zone of its own, and metadata field timeZone says %s: want one of both", text, zone)
		}
		zone, text = name, strings.TrimSpace(spec)
	}
	if zone == "" {
		return time.Local, text, nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, "", fmt.Errorf("want a time zone such as Europe/Berlin, found %q: %w", zone, err)
	}
	return loc, text, nil
}

type clock struct {
	schedule robfig.Schedule
	zone     *time.Location
	overlap  bool
	log      *slog.Logger
}

var (
	_ binding.Binding = (*clock)(nil)
	_ binding.Input   = (*clock)(nil)
)

// Read fires for one app, on its own.
func (c *clock) Read(_ context.Context, _ string, h binding.Handler) (binding.Reader, error) {
	w := binding.NewWork()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(w, h)
	}()
	return &reader{Work: w, done: done}, nil
}

// nap bounds one sleep, so that a change of the machine's clock is noticed.
const nap = 30 * time.Second

func (c *clock) run(w *binding.Work, h binding.Handler) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	next := c.next()
	for {
		if left := time.Until(next); left > 0 {
			timer.Reset(min(left, nap))
			select {
			case <-timer.C:
				continue
			case <-w.Stopping():
				return
			}
		}
		due := next
		fire := func(ctx context.Context) {
			// The block has logged what went wrong; there is nothing to deliver again but the next time.
			_, _ = binding.Admitted(ctx, h, c.event(due))
		}
		var ok bool
		if c.overlap {
			ok = w.Go(fire)
		} else {
			ok = w.Do(fire)
		}
		if !ok {
			return
		}
		if next = c.next(); next.IsZero() {
			c.log.Warn("the schedule has no further time")
			return
		}
	}
}

// next is by the wall clock: schedules mean what clocks show.
func (c *clock) next() time.Time { return c.schedule.Next(time.Now().Round(0).In(c.zone)) }

func (c *clock) event(due time.Time) *binding.Event {
	return &binding.Event{Metadata: map[string]string{
		"timeZone":         c.zone.String(),
		"readTimeUTC":      time.Now().UTC().Format(time.RFC3339Nano),
		"scheduledTimeUTC": due.UTC().Format(time.RFC3339Nano),
	}}
}

func (c *clock) Close(context.Context) error { return nil }

type reader struct {
	*binding.Work
	done chan struct{}
}

// Stop waits for the event that is handled.
func (r *reader) Stop(ctx context.Context) error {
	err := r.Work.Stop(ctx)
	<-r.done // it fires no more
	return err
}
