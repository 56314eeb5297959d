package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// fetch is how many messages are asked for at once.
const fetch = 1000

// ListKeys gives a page of keys. JetStream keeps no order of subjects, so every page walks through the heads of all
// entries of the app, without their values, and keeps the smallest keys behind the last page.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	found := smallest{limit: req.Limit + 1}
	err = s.nc.Do(ctx, func(ctx context.Context) error {
		return s.walk(ctx, s.prefix+s.keys.filter(req.Prefix), func(subject string) {
			key, ok := s.keys.decode(strings.TrimPrefix(subject, s.prefix))
			if ok && strings.HasPrefix(key, req.Prefix) && (after == "" || key > after) {
				found.add(key)
			}
		})
	})
	if err != nil {
		return state.KeyPage{}, s.failure(ctx, err)
	}
	page := state.KeyPage{Keys: found.sorted()}
	if len(page.Keys) > req.Limit {
		page.Keys = page.Keys[:req.Limit]
		page.Next = state.PageToken(page.Keys[req.Limit-1])
	}
	return page, nil
}

// walk visits the subjects of all entries that match a filter, some perhaps twice.
func (s *store) walk(ctx context.Context, filter string, visit func(subject string)) error {
	create := func() (jetstream.Consumer, error) {
		return s.js.CreateConsumer(ctx, s.stream, jetstream.ConsumerConfig{
			FilterSubject: filter, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
			HeadersOnly: true, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
		})
	}
	consumer, err := create()
	if err != nil && s.again(ctx, err) {
		consumer, err = create()
	}
	if err != nil {
		return err
	}
	name := consumer.CachedInfo().Name
	defer s.drop(ctx, name)
	if consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	sub, err := s.nc.SubscribeSync(s.nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // an error says that the connection is closed
	heads := &heads{nc: s.nc.Conn, sub: sub, next: s.s.Subjects() + "CONSUMER.MSG.NEXT." + s.stream + "." + name, visit: visit}
	for {
		if done, err := heads.read(ctx); done || err != nil {
			return err
		}
	}
}

// heads reads what a consumer has; the client library's own reader waits for ever when the connection is lost.
type heads struct {
	nc    *nats.Conn
	sub   *nats.Subscription
	next  string // where to ask
	seen  uint64 // messages until now
	visit func(subject string)
}

// read asks for a number of messages and reads them; done tells that there are no more.
func (h *heads) read(ctx context.Context) (done bool, err error) {
	request := fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, fetch)
	if err := h.nc.PublishRequest(h.next, h.sub.Subject, request); err != nil {
		return false, err
	}
	for range fetch {
		msg, err := h.sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) && h.seen == 0 {
			// The consumer is at another server of the cluster, of which ours has yet to hear.
			return false, pause(ctx, 10*time.Millisecond)
		}
		if err != nil {
			return false, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			// It is no message of the stream: less was there than was asked for.
			return true, status(msg.Header)
		}
		if h.seen++; meta.Sequence.Consumer != h.seen {
			return false, fmt.Errorf("listing lost a message: want number %d of the consumer, found %d", h.seen, meta.Sequence.Consumer)
		}
		if !deleted(msg.Header) {
			h.visit(msg.Subject)
		}
		if meta.NumPending == 0 {
			return true, nil
		}
	}
	return false, nil
}

// status gives an error unless the server says that there are no messages.
func status(h nats.Header) error {
	switch code := h.Get("Status"); code {
	case "404", "408":
		return nil
	default:
		return fmt.Errorf("the server refuses to list: %s %s", code, h.Get("Description"))
	}
}

// drop deletes a consumer, which would go by itself after a minute.
func (s *store) drop(ctx context.Context, consumer string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = s.js.DeleteConsumer(ctx, s.stream, consumer)
}

// smallest keeps the smallest keys of all that are added, each once.
type smallest struct {
	limit int
	keys  []string
	full  bool // the last of keys is the largest worth keeping, once they are cut
	most  string
}

func (s *smallest) add(key string) {
	if s.full && key >= s.most {
		return
	}
	s.keys = append(s.keys, key)
	// Sorting at the double keeps the cost of a key constant on average.
	if len(s.keys) >= 2*s.limit {
		s.cut()
	}
}

func (s *smallest) cut() {
	slices.Sort(s.keys)
	s.keys = slices.Compact(s.keys)
	if len(s.keys) < s.limit {
		return
	}
	s.keys = s.keys[:s.limit]
	s.full, s.most = true, s.keys[s.limit-1]
}

func (s *smallest) sorted() []string {
	s.cut()
	return s.keys
}
