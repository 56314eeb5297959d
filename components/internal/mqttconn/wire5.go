package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// receiveMaximum is how many messages a server may send that are not acknowledged.
const receiveMaximum = 100

// wire5 speaks MQTT 5, by the library's client for one connection: the part of it that connects again publishes later what
// has failed before.
type wire5 struct {
	raw    *conn
	client *paho.Client
	acks   *state.State
	most   uint32 // bytes of a packet that the server takes; 0 without a limit

	mu     sync.Mutex
	reason error // by which the server has ended the connection
}

// session5 leaves acknowledging to those who handle the messages: in the order in which they are done, so that one that
// fails for long does not hold back all that follow.
type session5 struct {
	*state.State
	w *wire5
}

// Ack is called when a message has been received; it is not handled yet.
func (session5) Ack(*packets.Publish) error { return nil }

// ConnectionLost gets the server's reason, if it has told one, before the connection is closed.
func (s session5) ConnectionLost(d *packets.Disconnect) error {
	if d != nil {
		s.w.dismissed(d.ReasonCode)
	}
	return s.State.ConnectionLost(d)
}

func (c *Client) connect5(ctx context.Context, raw *conn, h hello) (wire, bool, error) {
	w := &wire5{raw: raw, acks: state.NewInMemory()}
	w.client = paho.NewClient(paho.ClientConfig{
		ClientID: h.clientID, Conn: raw, Session: session5{w.acks, w}, PacketTimeout: connectTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			if h.receive != nil {
				h.receive(w.incoming(p.Packet))
			}
			return true, nil
		}},
	})
	hi := &paho.Connect{
		ClientID: h.clientID, CleanStart: !h.keep, KeepAlive: uint16(keepAlive.Seconds()),
		Username: c.server.user, UsernameFlag: c.server.user != "",
		Password: []byte(c.server.password), PasswordFlag: c.server.password != "",
		Properties: &paho.ConnectProperties{RequestProblemInfo: true, ReceiveMaximum: new(uint16(receiveMaximum))},
	}
	if h.keep {
		hi.Properties.SessionExpiryInterval = new(seconds(c.cfg.Expiry))
	}
	answer, err := w.client.Connect(ctx, hi)
	if err != nil {
		return nil, false, refusal(answer, err)
	}
	if p := answer.Properties; p != nil && p.MaximumPacketSize != nil {
		w.most = *p.MaximumPacketSize
	}
	return w, answer.SessionPresent, nil
}

// refusal gives the reason why a server refuses a connection; answer is nil if it has not said any.
func refusal(answer *paho.Connack, err error) error {
	if answer == nil {
		return err
	}
	switch answer.ReasonCode {
	case packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized, packets.ConnackBanned, packets.ConnackBadAuthenticationMethod:
		return errCredentials
	case packets.ConnackInvalidClientID:
		return errClientID
	case packets.ConnackUnsupportedProtocolVersion, 1: // 1 is the answer of MQTT 3.1.1
		return errVersion
	default:
		return fmt.Errorf("it refuses the connection, reason code 0x%02x: %w", answer.ReasonCode, err)
	}
}

func (w *wire5) dismissed(code byte) {
	const takenOver = 0x8e
	err := fmt.Errorf("the server ends the connection, reason code 0x%02x", code)
	if code == takenOver {
		err = errTakenOver
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reason = err
}

func (w *wire5) incoming(p *paho.Publish) *incoming {
	in := &incoming{
		Message: Message{Topic: p.Topic, Data: p.Payload, Metadata: metadata(nil, p.Retain)},
		id:      p.PacketID, qos: p.QoS, dup: p.Duplicate(),
		ack: func() bool {
			if p.QoS == 0 {
				return true
			}
			return w.raw.lost() == nil && w.acks.Ack(&packets.Publish{PacketID: p.PacketID, QoS: p.QoS}) == nil
		},
	}
	if p.Properties != nil {
		in.ContentType = p.Properties.ContentType
		in.Metadata = metadata(p.Properties.User, p.Retain)
	}
	return in
}

// during is ctx, but it ends with the connection as well: the library does not say that an answer will never come.
func (w *wire5) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-w.raw.ended:
			cancel(w.raw.lost())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (w *wire5) publish(ctx context.Context, m *outgoing) error {
	if n := m.size(); w.most > 0 && uint64(n) > uint64(w.most) {
		return fmt.Errorf("%w: it has %d bytes, and the server takes at most %d", ErrInvalid, n, w.most)
	}
	within, cancel := w.during(ctx)
	defer cancel()
	answer, err := w.client.Publish(within, &paho.Publish{
		Topic: m.topic, QoS: m.qos, Retain: m.retain, Payload: m.data,
		Properties: &paho.PublishProperties{ContentType: m.contentType, User: m.user, MessageExpiry: m.expiry},
	})
	const refused = 0x80 // and above
	if answer != nil && answer.ReasonCode >= refused {
		text := ""
		if answer.Properties != nil {
			text = answer.Properties.ReasonString
		}
		return publishRefused(answer.ReasonCode, text)
	}
	return w.failure(within, err)
}

// publishRefused says why the server does not take a message.
func publishRefused(code byte, text string) error {
	if text != "" {
		text = ": " + strings.ToValidUTF8(text, "?")
	}
	switch code {
	case packets.PubackTopicNameInvalid:
		return fmt.Errorf("%w: the server refuses it%s", ErrTopic, text)
	case packets.PubackQuotaExceeded:
		return fmt.Errorf("%w: its quota is exceeded%s", ErrUnavailable, text)
	case packets.PubackPayloadFormatInvalid:
		return fmt.Errorf("%w: the server refuses its data%s", ErrInvalid, text)
	case packets.PubackNotAuthorized:
		return fmt.Errorf("the MQTT server does not allow to publish to this topic; check the user's rights%s", text)
	default:
		return fmt.Errorf("the MQTT server refuses the message, reason code 0x%02x%s", code, text)
	}
}

// failure says what kind of error the library gave.
func (w *wire5) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), ErrUnavailable):
		return w.why()
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, paho.ErrInvalidArguments):
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

func (w *wire5) subscribe(ctx context.Context, filter string, qos byte) error {
	// Messages that the server retains come when the subscription is new, and not again with each start.
	const retainedIfNew = 1
	within, cancel := w.during(ctx)
	defer cancel()
	answer, err := w.client.Subscribe(within, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: filter, QoS: qos, RetainHandling: retainedIfNew},
	}})
	if answer == nil || len(answer.Reasons) == 0 {
		return w.failure(within, err)
	}
	switch code := answer.Reasons[0]; code {
	case packets.SubackGrantedQoS0, packets.SubackGrantedQoS1, packets.SubackGrantedQoS2:
		return nil
	case packets.SubackTopicFilterinvalid:
		return fmt.Errorf("%w: the server refuses %.100q", ErrTopic, filter)
	case packets.SubackNotauthorized:
		return fmt.Errorf("the MQTT server does not allow to subscribe to %q; check the user's rights", filter)
	default:
		return fmt.Errorf("the MQTT server refuses the subscription to %q, reason code 0x%02x", filter, code)
	}
}

func (w *wire5) unsubscribe(ctx context.Context, filter string) error {
	within, cancel := w.during(ctx)
	defer cancel()
	_, err := w.client.Unsubscribe(within, &paho.Unsubscribe{Topics: []string{filter}})
	return w.failure(within, err)
}

func (w *wire5) gone() <-chan struct{} { return w.raw.ended }

func (w *wire5) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason != nil && w.raw.lost() != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, w.reason)
	}
	return w.raw.lost()
}

func (w *wire5) close() {
	w.raw.polite.Store(true)
	_ = w.client.Disconnect(&paho.Disconnect{}) // fails where the server is gone; it ends the client all the same
	_ = w.raw.Close()
}
