package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// do does one step. Its error is the turn's.
func (p *Probe) do(c *actor.Context, s Step, r *Reply) error {
	switch s.Op {
	case "mem":
		p.mem = append(p.mem, s.Value)
	case "ballast":
		p.ballast = make([]byte, s.N)
		for i := range p.ballast {
			p.ballast[i] = byte(i)
		}
	case "open":
		p.open = true
	case "count":
		return p.countOne(c, s.Key)
	case "get", "set", "remove":
		state(c, s, r)
	case "call":
		return call(s, r)
	case "self":
		id, ok := actor.Self()
		r.Got["self"] = fmt.Sprint(id.Type, "/", id.ID, " ", ok, " ", id == c.ID())
	case "sleep":
		time.Sleep(time.Duration(s.N) * time.Millisecond)
	case "wait":
		return wait(s)
	case "fail":
		return errors.New(s.Value)
	case "panic":
		panic(s.Value)
	case "exit":
		os.Exit(s.N)
	case "loop":
		for {
			p.turns++
		}
	default:
		return p.times(c, s, r)
	}
	return nil
}

// countOne counts in memory and state, and notes what was counted; a second time is an error.
func (p *Probe) countOne(c *actor.Context, op string) error {
	key := "op/" + op
	if n, ok, err := actor.Get[int](c, key); err != nil || ok {
		return fmt.Errorf("op %s was counted before, as %d (%w)", op, n, err)
	}
	stored, _, err := actor.Get[int](c, "count")
	if err != nil {
		return err
	}
	if stored != p.count {
		return fmt.Errorf("memory has counted %d, state %d", p.count, stored)
	}
	if err := errors.Join(actor.Set(c, "count", p.count+1), actor.Set(c, key, p.count+1)); err != nil {
		return err
	}
	p.count++
	return nil
}

func state(c *actor.Context, s Step, r *Reply) {
	var err error
	switch s.Op {
	case "get":
		var v string
		var ok bool
		if v, ok, err = actor.Get[string](c, s.Key); ok {
			r.Got[s.Key] = v
		}
	case "set":
		var opts []actor.Option
		if s.N != 0 {
			opts = append(opts, actor.TTL(time.Duration(s.N)*time.Second))
		}
		err = actor.Set(c, s.Key, s.Value, opts...)
	default:
		err = actor.Remove(c, s.Key)
	}
	report(r, err)
}

// call calls another actor, and adds what came of it to the reply.
func call(s Step, r *Reply) error {
	got, err := client.Define[[]Step, Reply](s.Type, "run").Invoke(s.ID, s.Steps)
	report(r, err)
	r.Errs = append(r.Errs, got.Errs...)
	for k, v := range got.Got {
		r.Got[s.ID+"/"+k] = v
	}
	if s.Must {
		return err
	}
	return nil
}

// wait waits until an actor is opened.
func wait(s Step) error {
	opened := client.Define[actor.None, bool](s.Type, "opened")
	for {
		if ok, err := opened.Invoke(s.ID, actor.None{}); ok || err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// times does what is about timers and reminders.
func (p *Probe) times(c *actor.Context, s Step, r *Reply) error {
	var err error
	switch s.Op {
	case "timer":
		err = c.SetTimer(*s.Timer)
	case "stop-timer":
		err = c.StopTimer(s.Key)
	case "reminder":
		err = c.SetReminder(*s.Reminder)
	case "delete-reminder":
		err = c.DeleteReminder(s.Key)
	case "reminder?":
		var got actor.Registered
		if got, err = c.GetReminder(s.Key); err == nil {
			r.Got[s.Key] = fmt.Sprint(got.DueTime, " ", got.Period, " ", got.TTL, " ", got.Repeats, " ", got.Policy)
		}
	case "reminders":
		var list []actor.Registered
		list, err = c.Reminders()
		names := make([]string, len(list))
		for i, one := range list {
			names[i] = one.Name
		}
		r.Got["reminders"] = strings.Join(names, " ")
	default:
		return errors.New("cannot " + s.Op)
	}
	report(r, err)
	return nil
}
