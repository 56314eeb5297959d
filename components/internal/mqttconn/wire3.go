package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// wire3 speaks MQTT 3.1.1. The library's own ways of connecting again are off: they publish later what has failed before.
type wire3 struct {
	raw    *conn
	client mqtt.Client
}

func (c *Client) connect3(ctx context.Context, raw *conn, h hello) (wire, bool, error) {
	w := &wire3{raw: raw}
	opts := mqtt.NewClientOptions().AddBroker("tcp://" + c.server.addr).SetProtocolVersion(4).
		SetClientID(h.clientID).SetCleanSession(!h.keep).SetUsername(c.server.user).SetPassword(c.server.password).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(connectTimeout).
		SetKeepAlive(keepAlive).SetPingTimeout(keepAlive / 2).SetWriteTimeout(writeTimeout).
		SetOrderMatters(true).SetAutoAckDisabled(true).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return raw, nil }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			if h.receive != nil {
				h.receive(w.incoming(m))
			}
		})
	w.client = mqtt.NewClient(opts)
	token, ok := w.client.Connect().(*mqtt.ConnectToken)
	if !ok {
		return nil, false, errors.New("the MQTT library gives no token of connecting")
	}
	select {
	case <-token.Done():
	case <-ctx.Done():
		_ = raw.Close() // which ends the attempt
		<-token.Done()
		return nil, false, ctx.Err()
	}
	switch token.ReturnCode() {
	case packets.Accepted:
		return w, token.SessionPresent(), token.Error()
	case packets.ErrRefusedBadUsernameOrPassword, packets.ErrRefusedNotAuthorised:
		return nil, false, errCredentials
	case packets.ErrRefusedIDRejected:
		return nil, false, errClientID
	case packets.ErrRefusedBadProtocolVersion:
		return nil, false, errVersion
	default:
		return nil, false, token.Error()
	}
}

func (w *wire3) incoming(m mqtt.Message) *incoming {
	return &incoming{
		Message: Message{Topic: m.Topic(), Data: m.Payload(), Metadata: metadata(nil, m.Retained())},
		id:      m.MessageID(), qos: m.Qos(), dup: m.Duplicate(),
		ack: func() bool {
			if w.raw.lost() != nil {
				return false
			}
			m.Ack()
			return true
		},
	}
}

func (w *wire3) publish(ctx context.Context, m *outgoing) error {
	handed := make(chan mqtt.Token, 1)
	// The library waits for its turn to write. It may have the data longer than this call takes.
	data := slices.Clone(m.data)
	go func() { handed <- w.client.Publish(m.topic, m.qos, m.retain, data) }()
	select {
	case token := <-handed:
		return w.wait(ctx, token)
	case <-ctx.Done():
		return ctx.Err()
	case <-w.raw.ended:
		return w.raw.lost()
	}
}

func (w *wire3) wait(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
	case <-ctx.Done():
		return ctx.Err()
	case <-w.raw.ended:
		select {
		case <-token.Done(): // the acknowledgement was the last that arrived
		default:
			return w.raw.lost()
		}
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

func (w *wire3) subscribe(ctx context.Context, filter string, qos byte) error {
	const refused = 0x80
	token, ok := w.client.Subscribe(filter, qos, nil).(*mqtt.SubscribeToken)
	if !ok {
		return errors.New("the MQTT library gives no token of subscribing")
	}
	if err := w.wait(ctx, token); err != nil {
		return err
	}
	for _, granted := range token.Result() {
		if granted == refused {
			return fmt.Errorf("the MQTT server refuses the subscription to %q; check the user's rights", filter)
		}
	}
	return nil
}

func (w *wire3) unsubscribe(ctx context.Context, filter string) error {
	return w.wait(ctx, w.client.Unsubscribe(filter))
}

func (w *wire3) gone() <-chan struct{} { return w.raw.ended }
func (w *wire3) why() error            { return w.raw.lost() }

func (w *wire3) close() {
	w.raw.polite.Store(true)
	w.client.Disconnect(uint((goodbye + time.Second).Milliseconds()))
	_ = w.raw.Close()
}
