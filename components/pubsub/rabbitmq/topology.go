package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// What the exchanges and queues of dead letters are called before the queue's name.
const (
	letterExchange = "dlx-"
	letterQueue    = "dlq-"
)

// checkTopic tells whether a topic can be the name of an exchange.
func checkTopic(topic string) error {
	switch {
	case topic == "":
		return fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	case !plainName(topic):
		return fmt.Errorf("topic %.40q: %w: want a text of at most %d bytes without line breaks and other control characters", topic, pubsub.ErrInvalidTopic, rabbitconn.MaxShort)
	}
	return nil
}

// plainName tells whether the server takes a name as it is: it leaves out line breaks.
func plainName(s string) bool {
	return len(s) <= rabbitconn.MaxShort && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// exchange makes a topic's exchange.
func (s *settings) exchange(ch *amqp.Channel, topic string) error {
	err := ch.ExchangeDeclare(topic, s.Kind, s.Durable, s.deleteWhenUnused(), false, false, nil)
	if err == nil {
		return nil
	}
	err = rabbitconn.Explain("exchange "+topic, err)
	if strings.HasPrefix(topic, "amq.") {
		err = fmt.Errorf("%w: %w", pubsub.ErrInvalidTopic, err)
	}
	return err
}

// queue is a subscription's queue.
type queue struct {
	name, topic string
	keys        []string // routing keys
	args        amqp.Table
}

// newQueue reads a subscription's metadata.
func (s *settings) newQueue(sub pubsub.Subscription) (*queue, error) {
	meta := component.Metadata(sub.Metadata)
	q := &queue{topic: sub.Topic, args: s.limits()}
	if q.name, _ = meta.Get("queueName"); q.name == "" {
		q.name = sub.Consumer + "-" + sub.Topic
	}
	longest := len(q.name)
	if s.DeadLetter {
		longest += len(letterExchange)
		q.args["x-dead-letter-exchange"] = letterExchange + q.name
	}
	if !plainName(q.name) || longest > rabbitconn.MaxShort {
		return nil, fmt.Errorf("%w: the queue is called %.40q…: want at most %d bytes without control characters, with the consumer group; metadata queueName of the subscription gives it another name",
			pubsub.ErrInvalidTopic, q.name, rabbitconn.MaxShort-longest+len(q.name))
	}
	keys, _ := meta.Get("routingKey")
	q.keys = strings.Split(keys, ",")
	q.args[amqp.QueueTypeArg] = amqp.QueueTypeClassic
	switch typ, _ := meta.Get("queueType"); typ {
	case "":
	case amqp.QueueTypeClassic, amqp.QueueTypeQuorum:
		q.args[amqp.QueueTypeArg] = typ
	default:
		return nil, fmt.Errorf("%w: metadata queueType: want %s or %s, found %q", pubsub.ErrInvalid, amqp.QueueTypeClassic, amqp.QueueTypeQuorum, typ)
	}
	for name, arg := range map[string]string{"maxLen": amqp.QueueMaxLenArg, "maxLenBytes": amqp.QueueMaxLenBytesArg} {
		n, ok, err := number(meta, name, 1<<62)
		if err != nil {
			return nil, err
		}
		if ok {
			q.args[arg] = n
		}
	}
	if n, ok, err := number(meta, "maxPriority", 1<<62); err != nil {
		return nil, err
	} else if ok {
		q.args["x-max-priority"] = uint8(min(n, 255))
	}
	single, err := truth(meta, "singleActiveConsumer")
	if single {
		q.args[amqp.SingleActiveConsumerArg] = true
	}
	return q, err
}

// limits are the arguments of a queue and of that of its dead letters.
func (s *settings) limits() amqp.Table {
	args := amqp.Table{}
	if s.MaxLen > 0 {
		args[amqp.QueueMaxLenArg] = s.MaxLen
	}
	if s.MaxLenBytes > 0 {
		args[amqp.QueueMaxLenBytesArg] = s.MaxLenBytes
	}
	return args
}

// declare makes a subscription's queue and all around it.
func (s *settings) declare(ch *amqp.Channel, q *queue) (string, error) {
	if err := s.exchange(ch, q.topic); err != nil {
		return "", err
	}
	if s.DeadLetter {
		if err := s.letters(ch, q.name); err != nil {
			return "", err
		}
	}
	if _, err := ch.QueueDeclare(q.name, s.Durable, s.deleteWhenUnused(), false, false, q.args); err != nil {
		return "", rabbitconn.Explain("queue "+q.name, err)
	}
	for _, key := range q.keys {
		if err := ch.QueueBind(q.name, key, q.topic, false, nil); err != nil {
			return "", rabbitconn.Explain("binding queue "+q.name+" to exchange "+q.topic, err)
		}
	}
	return q.name, nil
}

// letters makes the exchange and the queue for a queue's dead letters; both are durable in any case.
func (s *settings) letters(ch *amqp.Channel, queue string) error {
	exchange, name := letterExchange+queue, letterQueue+queue
	if err := ch.ExchangeDeclare(exchange, amqp.ExchangeFanout, true, s.deleteWhenUnused(), false, false, nil); err != nil {
		return rabbitconn.Explain("exchange "+exchange, err)
	}
	args := s.limits()
	args["x-queue-mode"] = "lazy"
	if _, err := ch.QueueDeclare(name, true, s.deleteWhenUnused(), false, false, args); err != nil {
		return rabbitconn.Explain("queue "+name, err)
	}
	if err := ch.QueueBind(name, "", exchange, false, nil); err != nil {
		return rabbitconn.Explain("binding queue "+name+" to exchange "+exchange, err)
	}
	return nil
}

// number reads a setting that is 0 or more.
func number(meta component.Metadata, name string, most int64) (n int64, ok bool, err error) {
	text, _ := meta.Get(name)
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, false, fmt.Errorf("%w: metadata %s: want 0 to %d, found %q", pubsub.ErrInvalid, name, most, text)
	}
	return n, true, nil
}

// truth reads a setting that is true or false.
func truth(meta component.Metadata, name string) (bool, error) {
	var v struct {
		On bool `metadata:"on"`
	}
	text, _ := meta.Get(name)
	if err := (component.Config{Metadata: component.Metadata{"on": text}}).Decode(&v); err != nil {
		return false, fmt.Errorf("%w: metadata %s: want true or false, found %q", pubsub.ErrInvalid, name, text)
	}
	return v.On, nil
}
