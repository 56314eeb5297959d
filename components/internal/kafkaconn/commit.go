package kafkaconn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// commitEvery is the shortest time between two commits, so that many messages share one.
	commitEvery = 50 * time.Millisecond
	// commitTimeout bounds one commit, and commitPause is the time until the next after a failure.
	commitTimeout = 3 * time.Second
	commitPause   = 500 * time.Millisecond
)

// commitAlways commits what was handled, soon after it was, until Stop; the rest is committed on leaving the group.
func (k *Consumer) commitAlways() {
	for {
		select {
		case <-k.dirty:
		case <-k.stop:
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), commitTimeout)
		k.mu.Lock()
		lanes := slices.Collect(maps.Values(k.lanes))
		k.mu.Unlock()
		err := k.commit(ctx, lanes)
		cancel()
		wait := commitEvery
		if err != nil {
			k.log.Debug("committing offsets; trying again", "error", err)
			wait = commitPause
			signal(k.dirty)
		}
		select {
		case <-time.After(wait):
		case <-k.stop:
			return
		}
	}
}

// errMoved says that a partition is not ours any more.
var errMoved = errors.New("a partition is not this consumer's any more")

// commit commits what lanes have handled. Commits follow one another: an older one never undoes a newer one.
func (k *Consumer) commit(ctx context.Context, lanes []*lane) error {
	k.commits.Lock()
	defer k.commits.Unlock()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	what := map[*lane]kgo.EpochOffset{}
	for _, l := range lanes {
		l.mu.Lock()
		if l.next != l.committed {
			put(offsets, l.p, l.next)
			what[l] = l.next
		}
		l.mu.Unlock()
	}
	if len(what) == 0 {
		return nil
	}
	// The library may wait for the group to share out its partitions before it commits.
	ctx = kgo.PreCommitFnContext(ctx, func(*kmsg.OffsetCommitRequest) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		for l := range what {
			if k.lanes[l.p] != l {
				return errMoved
			}
		}
		return nil
	})
	if err := k.send(ctx, offsets); err != nil {
		return err
	}
	for l, offset := range what {
		l.mu.Lock()
		l.committed = offset
		l.mu.Unlock()
	}
	return nil
}

func put[V any](m map[string]map[int32]V, p partition, v V) {
	if m[p.topic] == nil {
		m[p.topic] = map[int32]V{}
	}
	m[p.topic][p.n] = v
}

// send commits as a member of the group.
func (k *Consumer) send(ctx context.Context, offsets map[string]map[int32]kgo.EpochOffset) error {
	var failed error
	k.cl.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	return failed
}

// positions are the ends of partitions from before Consume returned: where a new group starts with initialOffset newest.
type positions map[partition]int64

// place gives the group an offset in every partition where it has none, so that a message which is published later is not
// skipped, whoever gets the partition, and whenever. It is false where only a member of the group can do so.
func (k *Consumer) place(ctx context.Context) (settled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	// The ends are asked for first: should another consumer commit in between, what is committed here was its past.
	ends, err := repeat(ctx, func() (kadm.ListedOffsets, error) {
		ends, err := k.c.adm.ListEndOffsets(ctx, k.r.Topics...)
		return ends, errors.Join(err, ends.Error())
	})
	if err != nil {
		return false, fmt.Errorf("asking for the offsets of topics %v: %w", k.r.Topics, err)
	}
	missing, err := k.missing(ctx)
	if err != nil || len(missing) == 0 || k.c.s.oldest() {
		return true, err
	}
	k.begin = positions{}
	offsets := kadm.Offsets{}
	ends.Each(func(o kadm.ListedOffset) {
		k.begin[partition{o.Topic, o.Partition}] = o.Offset
		if missing[partition{o.Topic, o.Partition}] {
			offsets.AddOffset(o.Topic, o.Partition, o.Offset, -1)
		}
	})
	answers, err := k.c.adm.CommitOffsets(ctx, k.r.Group, offsets)
	if err == nil {
		err = answers.Error()
	}
	// A group that has members takes commits of them alone.
	member := errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress)
	if err != nil && !member && !kerr.IsRetriable(err) {
		return false, fmt.Errorf("committing the first offsets of group %s: %w", k.r.Group, err)
	}
	return err == nil, nil
}

// missing gives the partitions in which the group has no offset.
func (k *Consumer) missing(ctx context.Context) (map[partition]bool, error) {
	have, err := repeat(ctx, func() (kadm.OffsetResponses, error) {
		have, err := k.c.adm.FetchOffsetsForTopics(ctx, k.r.Group, k.r.Topics...)
		return have, errors.Join(err, have.Error())
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", k.r.Group, err)
	}
	out := map[partition]bool{}
	have.Each(func(o kadm.OffsetResponse) {
		if o.At < 0 {
			out[partition{o.Topic, o.Partition}] = true
		}
	})
	return out, nil
}

// await waits until members have given the group its first offsets.
func (k *Consumer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rebalanceTimeout)
	defer cancel()
	for {
		missing, err := k.missing(ctx)
		if err == nil && len(missing) == 0 {
			return nil
		}
		if !pause(ctx, commitEvery) {
			return unavailable("group %s has not shared out %d partitions of topics %v in time: %w", k.r.Group, len(missing), k.r.Topics, errors.Join(err, ctx.Err()))
		}
	}
}

// repeat asks again while servers cannot answer yet: a topic that is new, or a group whose server has changed.
func repeat[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		v, err := ask()
		if err == nil || !kerr.IsRetriable(err) || n == 10 || !pause(ctx, backoff(n)) {
			return v, err
		}
	}
}

// adjust gives partitions without an offset their first one, and commits it before anything is read: what is given back
// unhandled would be skipped by the next consumer otherwise.
func (k *Consumer) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if k.c.s.oldest() {
		return offsets, nil
	}
	first := map[string]map[int32]kgo.EpochOffset{}
	for topic, parts := range offsets {
		for n, offset := range parts {
			p := partition{topic, n}
			if offset.EpochOffset().Offset >= 0 {
				delete(k.begin, p) // from now on it is the group's own
				continue
			}
			at, known := k.begin[p]
			if !known {
				// The partition is new, or was made again: all that is in it is.
				var err error
				if at, err = k.start(ctx, p); err != nil {
					return nil, err
				}
			}
			put(first, p, kgo.EpochOffset{Epoch: -1, Offset: at})
		}
	}
	if len(first) == 0 {
		return offsets, nil
	}
	if err := k.send(ctx, first); err != nil {
		return nil, fmt.Errorf("committing the first offsets of group %s: %w", k.r.Group, err)
	}
	for topic, parts := range first {
		for n, at := range parts {
			offsets[topic][n] = kgo.NewOffset().At(at.Offset)
			delete(k.begin, partition{topic, n})
		}
	}
	return offsets, nil
}

// start gives the first offset of a partition.
func (k *Consumer) start(ctx context.Context, p partition) (int64, error) {
	starts, err := k.c.adm.ListStartOffsets(ctx, p.topic)
	if err != nil {
		return 0, err
	}
	o, ok := starts.Lookup(p.topic, p.n)
	if !ok {
		return 0, kerr.UnknownTopicOrPartition
	}
	return o.Offset, o.Err
}
