package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers of a message.
const (
	operationHeader = "KV-Operation"
	// What stands in operationHeader for a key that is deleted: del, or purge, after which the server adds no marker
	// of its own when the time of this one is over.
	operationDelete = "DEL"
	operationPurge  = "PURGE"
	batchHeader     = "Nats-Batch-Id"
	placeHeader     = "Nats-Batch-Sequence"
	commitHeader    = "Nats-Batch-Commit"
)

// Codes of the server's errors that the client library does not name.
const (
	codeNoTTL        jetstream.ErrorCode = 10166
	codeNoBatches    jetstream.ErrorCode = 10174
	codeIncomplete   jetstream.ErrorCode = 10176
	codeBatchTooBig  jetstream.ErrorCode = 10199
	codeTooManyBatch jetstream.ErrorCode = 10210
)

var (
	errTooLarge     = nats.ErrMaxPayload
	errNoResponders = nats.ErrNoResponders
	errAnswer       = errors.New("the server's answer to a read has neither a message nor an error")
)

// message is what a bucket has under a subject.
type message struct {
	seq    uint64
	header nats.Header
	data   []byte
	time   time.Time
}

// last asks the stream's leader for the last message of a subject; nil if there is none.
func (s *store) last(ctx context.Context, subject string) (*message, error) {
	ask := s.ask
	if s.direct {
		ask = s.askDirect
	}
	m, err := ask(ctx, subject)
	if err != nil && s.again(ctx, err) {
		m, err = ask(ctx, subject)
	}
	return m, err
}

// askDirect asks whoever has the stream, which answers faster.
func (s *store) askDirect(ctx context.Context, subject string) (*message, error) {
	var got *nats.Msg
	err := s.nc.Do(ctx, func(ctx context.Context) (err error) {
		got, err = s.nc.RequestWithContext(ctx, s.s.Subjects()+"DIRECT.GET."+s.stream+"."+subject, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	seq, errSeq := strconv.ParseUint(got.Header.Get(jetstream.SequenceHeader), 10, 64)
	at, errTime := time.Parse(time.RFC3339Nano, got.Header.Get(jetstream.TimeStampHeaer))
	switch status := got.Header.Get("Status"); {
	case errSeq == nil && errTime == nil:
		return &message{seq: seq, header: got.Header, data: got.Data, time: at}, nil
	case status == "404":
		return nil, nil
	default:
		return nil, fmt.Errorf("%w: status %q %s", errAnswer, status, got.Header.Get("Description"))
	}
}

func (s *store) ask(ctx context.Context, subject string) (*message, error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq    uint64    `json:"seq"`
			Header []byte    `json:"hdrs"`
			Data   []byte    `json:"data"`
			Time   time.Time `json:"time"`
		} `json:"message"`
	}
	if err := s.request(ctx, &nats.Msg{Subject: s.s.Subjects() + "STREAM.MSG.GET." + s.stream, Data: request}, &answer); err != nil {
		return nil, err
	}
	switch m := answer.Message; {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, nil
	case answer.Error != nil:
		return nil, answer.Error
	case m == nil:
		return nil, errAnswer
	default:
		out := &message{seq: m.Seq, data: m.Data, time: m.Time}
		if len(m.Header) > 0 {
			out.header, err = nats.DecodeHeadersMsg(m.Header)
		}
		return out, err
	}
}

// request waits for an answer in JSON.
func (s *store) request(ctx context.Context, msg *nats.Msg, answer any) error {
	var got *nats.Msg
	err := s.nc.Do(ctx, func(ctx context.Context) (err error) {
		got, err = s.nc.RequestMsgWithContext(ctx, msg)
		return err
	})
	if err != nil || len(got.Data) == 0 {
		return err
	}
	return json.Unmarshal(got.Data, answer)
}

// deleted tells whether a message with this header says that its key is gone.
func deleted(h nats.Header) bool {
	op := h.Get(operationHeader)
	return op == operationDelete || op == operationPurge || h.Get(jetstream.MarkerReasonHeader) != ""
}

// alive tells whether m is an entry.
func (m *message) alive() bool { return m != nil && !deleted(m.header) }

// expires is when the server removes the message; zero for never.
func (m *message) expires() time.Time {
	text := m.header.Get(jetstream.MsgTTLHeader)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return m.time.Add(time.Duration(n) * time.Second)
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return m.time.Add(d)
	}
	return time.Time{}
}
