// Command guest is an app with three actor types of one kind, which the tests run with different settings.
package main

import (
	"errors"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// Cell has a number in its memory and one in its state.
type Cell struct {
	n     int64
	extra map[string][]byte
}

// Activate reads the number.
func (s *Cell) Activate(c *actor.Context) (err error) {
	s.n, _, err = actor.Get[int64](c, "n")
	return err
}

// Deactivate leaves a note.
func (s *Cell) Deactivate(c *actor.Context) error { return actor.Set(c, "left", s.n) }

// Timer adds one.
func (s *Cell) Timer(c *actor.Context, _ actor.Tick) error {
	_, err := s.add(c, 1)
	return err
}

// Reminder adds a hundred.
func (s *Cell) Reminder(c *actor.Context, _ actor.Due) error {
	_, err := s.add(c, 100)
	return err
}

func (s *Cell) add(c *actor.Context, d int64) (int64, error) {
	if s.extra == nil {
		s.extra = map[string][]byte{}
	}
	s.extra[strings.Repeat("k", int(s.n&7))] = make([]byte, 100)
	s.n += d
	return s.n, actor.Set(c, "n", s.n)
}

func (s *Cell) fail(c *actor.Context, d int64) (int64, error) {
	_, err := s.add(c, d)
	return 0, errors.Join(err, errors.New("it is not to be"))
}

func (s *Cell) panics(c *actor.Context, d int64) (int64, error) {
	if _, err := s.add(c, d); err != nil {
		return 0, err
	}
	panic("on purpose")
}

func (s *Cell) spin(c *actor.Context, d int64) (int64, error) {
	if _, err := s.add(c, d); err != nil {
		return 0, err
	}
	for {
		s.n++
	}
}

func (s *Cell) memory(*actor.Context, actor.None) (int64, error) { return s.n, nil }

func (s *Cell) stored(c *actor.Context, _ actor.None) (int64, error) {
	n, _, err := actor.Get[int64](c, "n")
	return n, err
}

func (s *Cell) echo(_ *actor.Context, in []byte) ([]byte, error) { return in, nil }

// call calls "type/id/method/input", after it has added one, and gives what came of it.
func (s *Cell) call(c *actor.Context, to string) (string, error) {
	if _, err := s.add(c, 1); err != nil {
		return "", err
	}
	p := strings.SplitN(to, "/", 4)
	out, err := client.Invoke(p[0], p[1], p[2], "application/json", []byte(p[3]))
	return string(out.Data), err
}

func (s *Cell) tick(c *actor.Context, _ actor.None) (actor.None, error) {
	return actor.None{}, errors.Join(c.SetTimer(actor.Timer{Name: "tick"}), c.SetReminder(actor.Reminder{Name: "remind"}))
}

func register(name string) *actor.Type[Cell] {
	t := actor.Register[Cell](name)
	actor.Method(t, "add", (*Cell).add)
	actor.Method(t, "fail", (*Cell).fail)
	actor.Method(t, "panic", (*Cell).panics)
	actor.Method(t, "spin", (*Cell).spin)
	actor.Method(t, "memory", (*Cell).memory)
	actor.Method(t, "stored", (*Cell).stored)
	actor.Method(t, "echo", (*Cell).echo)
	actor.Method(t, "call", (*Cell).call)
	actor.Method(t, "tick", (*Cell).tick)
	return t
}

var (
	_ = register("Cell")
	_ = register("Atomic")
	_ = register("Reentrant")
)

func main() {}
