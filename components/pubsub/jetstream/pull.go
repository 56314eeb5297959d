package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// pullExpiry is how long a request for messages waits at the server.
const pullExpiry = 30 * time.Second

// pull asks a consumer at the server for messages and reads them, a batch at a time: the next request is made only when
// all messages of the last one were read. So with a batch of 1 the server has never sent a message that nobody
// reads yet. (The client library's iterator cannot ask for one message at a time without stalling at times: it may miss
// that a request is due while the one before is still being sent.)
//
// next is for one goroutine; the others may be called by any.
type pull struct {
	nc      *nats.Conn
	sub     *nats.Subscription
	subject string // where to ask
	request []byte
	batch   int
	asked   int // messages of the current request that have not come yet
	// patience is how long the server may be silent; it sends heartbeats twice as often.
	patience time.Duration
}

// newPull subscribes and asks for nothing yet. prefix is that of the JetStream API, with a dot at its end.
func newPull(nc *nats.Conn, prefix, stream, consumer string, batch int, beat time.Duration) (*pull, error) {
	request, err := json.Marshal(map[string]any{
		"batch": batch, "expires": max(pullExpiry, 2*beat), "idle_heartbeat": beat,
	})
	if err != nil {
		return nil, err
	}
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, err
	}
	// What is waiting here is bounded by the batch.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	return &pull{
		nc: nc, sub: sub, subject: prefix + "CONSUMER.MSG.NEXT." + stream + "." + consumer,
		request: request, batch: batch, patience: 2 * beat,
	}, nil
}

var (
	errSilent = errors.New("the server sends neither messages nor heartbeats")
	errEnded  = errors.New("the subscription is ended")
)

// next waits for a message. After drain it gives those that have come already, then errEnded. Any other error means
// that the consumer at the server has to be looked at.
func (p *pull) next() (*nats.Msg, error) {
	for {
		if p.asked == 0 && p.sub.IsValid() && !p.sub.IsDraining() {
			if err := p.nc.PublishRequest(p.subject, p.sub.Subject, p.request); err != nil {
				return nil, err
			}
			p.asked = p.batch
		}
		msg, err := p.sub.NextMsg(p.patience)
		switch {
		case errors.Is(err, nats.ErrTimeout):
			return nil, errSilent
		case errors.Is(err, nats.ErrBadSubscription), errors.Is(err, nats.ErrConnectionClosed):
			return nil, errEnded
		case err != nil:
			return nil, err
		}
		// A publisher may have set a header of this name too; what can be acknowledged is a message.
		if len(msg.Data) > 0 || msg.Header.Get("Status") == "" || strings.HasPrefix(msg.Reply, "$JS.ACK.") {
			p.asked = max(p.asked-1, 0)
			return msg, nil
		}
		if err := p.status(msg.Header.Get("Status"), msg.Header.Get("Description")); err != nil {
			return nil, err
		}
	}
}

// status handles what the server says about the request.
func (p *pull) status(code, text string) error {
	switch {
	case code == "100": // a heartbeat
		return nil
	case code == "404", code == "408", code == "409" && strings.EqualFold(text, "Batch Completed"):
		p.asked = 0 // the request is over
		return nil
	default:
		return fmt.Errorf("the server refuses to give messages: %s %s", code, text)
	}
}

// drain ends the subscription; next still gives what has come.
func (p *pull) drain() {
	if !p.nc.IsConnected() {
		p.end() // there is nothing to wait for
		return
	}
	_ = p.sub.Drain() // an error says that it is ended already
}

// end ends the subscription at once.
func (p *pull) end() { _ = p.sub.Unsubscribe() }
