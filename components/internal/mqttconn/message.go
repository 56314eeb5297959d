package mqttconn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The errors of this package, wrapped with what is known.
var (
	// ErrTopic: MQTT or the server does not take the topic.
	ErrTopic = errors.New("no topic of MQTT")
	// ErrInvalid: the server can never take the message.
	ErrInvalid = errors.New("no message of MQTT")
	// ErrUnavailable: the server cannot be reached now.
	ErrUnavailable = errors.New("MQTT server unavailable")
)

// Kinds are a block's own errors for those of this package.
type Kinds struct{ Topic, Invalid, Unavailable error }

// Of says which of the block's errors it is.
func (k Kinds) Of(err error) error {
	switch {
	case errors.Is(err, ErrTopic):
		return fmt.Errorf("%w: %w", k.Topic, err)
	case errors.Is(err, ErrInvalid):
		return fmt.Errorf("%w: %w", k.Invalid, err)
	case errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%w: %w", k.Unavailable, err)
	default:
		return err
	}
}

// Message is one message. MQTT 3 carries of it only topic and data.
type Message struct {
	Topic       string
	Data        []byte
	ContentType string
	// Metadata of a message to publish may have retain and ttlInSeconds, which are settings and not sent; what has
	// arrived has retained.
	Metadata map[string]string
	// Attempt counts the deliveries to handlers of this process.
	Attempt int
}

// The names of metadata that are settings or facts and not the publisher's own.
const (
	retainKey   = "retain"
	retainedKey = "retained"
	ttlKey      = "ttlInSeconds"
)

// packedKey is the user property with what is no text of MQTT: control characters, for example.
const packedKey = "mrt-metadata"

// outgoing is a message as it goes to a server.
type outgoing struct {
	topic       string
	data        []byte
	qos         byte
	retain      bool
	contentType string
	user        paho.UserProperties
	expiry      *uint32
}

// outgoing checks a message and prepares it.
func (c *Client) outgoing(m *Message) (*outgoing, error) {
	if err := checkTopic(m.Topic); err != nil {
		return nil, err
	}
	out := &outgoing{topic: m.Topic, data: m.Data, qos: byte(c.cfg.Settings.QoS), retain: c.cfg.Settings.Retain}
	metadata := component.Metadata(m.Metadata)
	if text, ok := metadata.Get(retainKey); ok && text != "" {
		retain, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%w: metadata %s: want true or false, found %.100q", ErrInvalid, retainKey, text)
		}
		out.retain = retain
	}
	if c.cfg.V5 {
		if err := out.properties(m); err != nil {
			return nil, err
		}
	}
	if n := out.size(); n > maxPacket {
		return nil, fmt.Errorf("%w: it has %d bytes, and MQTT takes at most %d", ErrInvalid, n, maxPacket)
	}
	return out, nil
}

// size is about that of the packet, and not less.
func (o *outgoing) size() int {
	n := len(o.data) + len(o.topic) + len(o.contentType) + 32
	for _, p := range o.user {
		n += len(p.Key) + len(p.Value) + 5
	}
	return n
}

// properties adds what only MQTT 5 carries.
func (o *outgoing) properties(m *Message) error {
	if why := badText(m.ContentType); why != "" {
		return fmt.Errorf("%w: its content type %s", ErrInvalid, why)
	}
	o.contentType = m.ContentType
	packed := map[string]string{}
	for _, key := range sortedKeys(m.Metadata) {
		value := m.Metadata[key]
		switch {
		case strings.EqualFold(key, retainKey), strings.EqualFold(key, retainedKey):
		case strings.EqualFold(key, ttlKey):
			expiry, err := expirySeconds(value)
			if err != nil {
				return err
			}
			o.expiry = expiry
		case badText(key) != "" || badText(value) != "" || key == packedKey:
			packed[key] = value
		default:
			o.user.Add(key, value)
		}
	}
	if len(packed) == 0 {
		return nil
	}
	text, err := json.Marshal(packed)
	if err != nil {
		return fmt.Errorf("%w: metadata: %w", ErrInvalid, err)
	}
	value := base64.StdEncoding.EncodeToString(text)
	if len(value) > maxText {
		return fmt.Errorf("%w: metadata that is no text of MQTT has %d bytes in all, and %d is the most", ErrInvalid, len(value), maxText)
	}
	o.user.Add(packedKey, value)
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func expirySeconds(text string) (*uint32, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return nil, fmt.Errorf("%w: metadata %s: want seconds, 1 or more, found %.100q", ErrInvalid, ttlKey, text)
	}
	return new(uint32(min(n, math.MaxUint32))), nil
}

// metadata is the reverse of properties. What another program packed in another way is left out.
func metadata(user paho.UserProperties, retained bool) map[string]string {
	out := make(map[string]string, len(user)+1)
	packed := map[string]string{}
	for _, p := range user {
		if p.Key == packedKey {
			if text, err := base64.StdEncoding.DecodeString(p.Value); err == nil {
				_ = json.Unmarshal(text, &packed) // what is not ours stays out
			}
			continue
		}
		if before, twice := out[p.Key]; twice {
			out[p.Key] = before + ", " + p.Value
		} else {
			out[p.Key] = p.Value
		}
	}
	maps.Copy(out, packed)
	out[retainedKey] = strconv.FormatBool(retained)
	return out
}

// seconds gives a duration as the protocol has it: all ones is for ever.
func seconds(d time.Duration) uint32 {
	if d < 0 || d.Seconds() >= math.MaxUint32 {
		return math.MaxUint32
	}
	return uint32(math.Ceil(d.Seconds()))
}
