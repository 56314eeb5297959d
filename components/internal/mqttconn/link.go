package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// The pauses before connecting again double from the first to the last. They begin anew after a connection that lasted.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
	// yieldPause is how long a client that another one has driven out waits: both would else drive each other out
	// without end.
	yieldPause = 15 * time.Second
)

// link is a connection that is made again when it is lost.
type link struct {
	connect func(ctx context.Context) (wire, error)
	log     *slog.Logger

	ctx    context.Context //nolint:containedctx // the link's own life
	cancel context.CancelFunc
	ended  chan struct{}
	leave  func(wire) // what is to be said at last; may be nil
	hint   string     // what else may be the reason when connections are lost soon; may be empty

	mu   sync.Mutex
	now  wire  // nil while there is no connection
	last error // why not
}

// newLink connects; ctx bounds this first attempt only.
func newLink(ctx context.Context, log *slog.Logger, hint string, connect func(context.Context) (wire, error)) (*link, error) {
	w, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{connect: connect, log: log, hint: hint, now: w, ended: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go l.run(w)
	return l, nil
}

// wire gives the connection, or the reason why there is none.
func (l *link) wire() (wire, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return nil, l.last
	}
	// It may be gone and not noticed yet.
	if err := l.now.why(); err != nil {
		return nil, err
	}
	return l.now, nil
}

func (l *link) set(w wire, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.last = w, err
}

// run keeps the connection up until stop.
func (l *link) run(w wire) {
	defer close(l.ended)
	pause := firstPause
	for w != nil {
		begun := time.Now()
		select {
		case <-w.gone():
		case <-l.ctx.Done():
			if l.leave != nil {
				l.leave(w)
			}
			l.set(nil, errStopped)
			w.close()
			return
		}
		why := w.why()
		l.set(nil, why)
		w.close()
		log := l.log
		if time.Since(begun) > 2*lastPause {
			pause = firstPause
		} else if l.hint != "" {
			log = log.With("hint", l.hint)
		}
		log.Warn("connection to the MQTT server is lost; connecting again", "error", why)
		if errors.Is(why, errTakenOver) {
			pause = yieldPause
		}
		w, pause = l.again(pause)
	}
}

var errStopped = fmt.Errorf("%w: it is stopped", ErrUnavailable)

// again connects, after growing pauses; nil when stopped. It gives the pause that comes next.
func (l *link) again(pause time.Duration) (wire, time.Duration) {
	for n := 0; ; n++ {
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-l.ctx.Done():
			return nil, 0
		}
		pause = min(2*pause, lastPause)
		w, err := l.connect(l.ctx)
		if err == nil {
			l.set(w, nil)
			l.log.Info("connected to the MQTT server again")
			return w, pause
		}
		if l.ctx.Err() != nil {
			return nil, 0
		}
		l.set(nil, transient(err))
		level := slog.LevelDebug
		if n == 0 {
			level = slog.LevelWarn
		}
		l.log.Log(l.ctx, level, "cannot connect to the MQTT server; trying again", "error", err)
	}
}

// transient lets go of what kind of error it is: credentials that are refused now, for example, may be right later.
func transient(err error) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, strings.TrimPrefix(err.Error(), ErrUnavailable.Error()+": "))
}

// stop ends the connection in good order; it is bounded by the times for taking leave.
func (l *link) stop() {
	l.cancel()
	<-l.ended
}
