package mqttconn

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxText is the longest text of the protocol, in bytes.
	maxText = 65535
	// maxLevels bounds the levels of a topic. Servers have bounds of their own from 128 on, and some close the
	// connection, which others use too, instead of refusing the topic.
	maxLevels = 128
	// maxPacket is the longest packet of the protocol, in bytes.
	maxPacket = 268_435_455
)

// badText says why the protocol does not take a text; empty if it does. Control characters are allowed by its letter,
// but servers close the connection for them.
func badText(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("has %d bytes and not at most %d", len(s), maxText)
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
			return fmt.Sprintf("has the character %U", r)
		}
	}
	return ""
}

func badLevels(s string) string {
	if s == "" {
		return "is empty"
	}
	if strings.Count(s, "/") >= maxLevels {
		return fmt.Sprintf("has more than %d levels", maxLevels)
	}
	return badText(s)
}

// checkTopic wants a topic that can be published to.
func checkTopic(topic string) error {
	why := badLevels(topic)
	switch {
	case why != "":
	case strings.ContainsAny(topic, "+#"):
		why = "has + or #, which are wildcards of subscriptions"
	case strings.HasPrefix(topic, "$share/"), strings.HasPrefix(topic, "$SYS/"):
		why = "is the server's own"
	default:
		return nil
	}
	return fmt.Errorf("%w: %.100q %s", ErrTopic, topic, why)
}

// CheckFilter wants what can be subscribed to: a topic, which may have wildcards and begin with $share/<group>/.
func CheckFilter(filter string) error {
	if why := badFilter(filter); why != "" {
		return fmt.Errorf("%w: %.100q %s", ErrTopic, filter, why)
	}
	return nil
}

// shared tells whether several sessions share the messages of a subscription.
func shared(filter string) bool { return strings.HasPrefix(filter, "$share/") }

func badFilter(filter string) string {
	if why := badLevels(filter); why != "" {
		return why
	}
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		group, topic, ok := strings.Cut(rest, "/")
		if !ok || topic == "" || group == "" || strings.ContainsAny(group, "+#") {
			return "is no shared subscription $share/<group>/<topic>"
		}
		filter = topic
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		switch {
		case level == "#" && i < len(levels)-1:
			return "has # before its end"
		case len(level) > 1 && strings.ContainsAny(level, "+#"):
			return "has + or # as a part of a level; wildcards stand for whole levels"
		}
	}
	return ""
}

// sessionID names the session of a consumer group's subscription: the same for the same, however often it is started. It
// has characters only that no server refuses, beside those of consumer itself.
func sessionID(replica, consumer, filter string) string {
	const most = 40
	sum := sha256.Sum256([]byte(replica + "\x00" + consumer + "\x00" + filter))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}, filter)
	id := consumer + "-" + readable[:min(len(readable), most)] + "-" + hex.EncodeToString(sum[:4])
	if replica != "" {
		id = replica + "-" + id
	}
	return id
}

// freshID names a connection that leaves nothing at the server.
func freshID(base, what string) string {
	return base + "-" + what + "-" + strings.ToLower(rand.Text()[:10])
}
