package mqttconn

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/paho"
)

func TestBadSettings(t *testing.T) {
	const secret = "s3cret"
	for _, test := range []struct {
		name string
		s    Settings
		want string
	}{
		{"no URL", Settings{URL: "::" + secret}, "url"},
		{"control characters", Settings{URL: "tcp://u:" + secret + "\x7f@h"}, "url"},
		{"port", Settings{URL: "tcp://u:" + secret + "@h:port"}, "url"},
		{"hash in password", Settings{URL: "tcp://u:" + secret + "#x@h:1883"}, "url"},
		{"number and hash in password", Settings{URL: "tcp://u:1234#" + secret + "@h:1883"}, "%23"},
		{"number and slash in password", Settings{URL: "tcp://u:1234/" + secret + "@h:1883"}, "%23"},
		{"no scheme", Settings{URL: "localhost:1883"}, "url"},
		{"another scheme", Settings{URL: "http://u:" + secret + "@h"}, "url"},
		{"no host", Settings{URL: "tcp://u:" + secret + "@"}, "no host"},
		{"no user", Settings{URL: "tcp://:" + secret + "@h"}, "without a user"},
		{"long password", Settings{URL: "tcp://u:" + strings.Repeat(secret, 20000) + "@h"}, "at most 65535"},
		{"qos", Settings{URL: "tcp://h", QoS: 3}, "qos"},
		{"negative qos", Settings{URL: "tcp://h", QoS: -1}, "qos"},
		{"consumerID", Settings{URL: "tcp://h", ConsumerID: "a\nb"}, "consumerID"},
		{"clientID", Settings{URL: "tcp://h", ClientID: "\xff"}, "clientID"},
		{"share name", Settings{URL: "tcp://h", ClientID: "a", ConsumerID: "x/y"}, "shared subscription"},
		{"caCert", Settings{URL: "ssl://h", CACert: secret}, "caCert"},
		{"cert alone", Settings{URL: "ssl://h", ClientCert: secret}, "both or none"},
		{"key alone", Settings{URL: "ssl://h", ClientKey: secret}, "both or none"},
		{"key pair", Settings{URL: "ssl://h", ClientCert: secret, ClientKey: secret}, "clientCert is no PEM"},
	} {
		_, err := test.s.server()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want an error that has %q and no credentials", test.name, err, test.want)
		}
	}
}

func TestURL(t *testing.T) {
	for url, want := range map[string]server{
		"tcp://h":                       {scheme: "tcp", addr: "h:1883"},
		" MQTT://h:1 ":                  {scheme: "tcp", addr: "h:1"},
		"ssl://h":                       {scheme: "tls", addr: "h:8883"},
		"mqtts://u@[::1]:2":             {scheme: "tls", addr: "[::1]:2", user: "u"},
		"tcps://u:p%23%2F@h":            {scheme: "tls", addr: "h:8883", user: "u", password: "p#/"},
		"tls://h/":                      {scheme: "tls", addr: "h:8883", path: "/"},
		"ws://u:p@h/mqtt":               {scheme: "ws", addr: "h:80", path: "/mqtt", user: "u", password: "p"},
		"wss://h:8084/a%20b/?ignored=1": {scheme: "wss", addr: "h:8084", path: "/a%20b/"},
	} {
		s := &Settings{URL: url}
		got, err := s.server()
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		secure := got.tls != nil
		if secure != (want.scheme == "tls" || want.scheme == "wss") {
			t.Errorf("%s: TLS is %t", url, secure)
		}
		got.tls = nil
		if *got != want {
			t.Errorf("%s: got %+v, want %+v", url, *got, want)
		}
	}
}

func TestTopics(t *testing.T) {
	for _, topic := range []string{"a", "/", "a b", "+", "a/+/b", "+/+", "#", "a/#", "$share/g/a", "$share/g/+/#", "$share/g//", "ü", "$SYS/#"} {
		if err := CheckFilter(topic); err != nil {
			t.Errorf("subscribe to %q: %v", topic, err)
		}
		wild := strings.ContainsAny(topic, "+#") || strings.HasPrefix(topic, "$share/")
		if err := checkTopic(topic); (err != nil) != wild {
			t.Errorf("publish to %q: got %v", topic, err)
		}
	}
	for _, topic := range []string{
		"", "a+", "+a", "a/b#", "#/a", "a/#/b", "$share/g", "$share/", "$share//a", "$share/g/", "$share/+/a", "$share/g/a#",
		"\x00", "\xc3", "\u0001", "\u0085", "\uffff", "\U0001fffe", "\ufdd0", strings.Repeat("/", 128), strings.Repeat("x", 65536),
	} {
		if err := CheckFilter(topic); err == nil {
			t.Errorf("subscribe to %.20q: got no error", topic)
		}
		if err := checkTopic(topic); err == nil {
			t.Errorf("publish to %.20q: got no error", topic)
		}
	}
	if checkTopic("$SYS/broker") == nil {
		t.Error("publish to $SYS: got no error")
	}
}

// FuzzTopics wants that what is let through is text of the protocol and in bounds.
func FuzzTopics(f *testing.F) {
	for _, seed := range []string{"a/b", "$share/g/a/#", "+", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		if CheckFilter(topic) == nil && (topic == "" || len(topic) > maxText || !utf8.ValidString(topic) || strings.ContainsRune(topic, 0)) {
			t.Errorf("%q passes", topic)
		}
		if id := sessionID("", "app", topic); !utf8.ValidString(id) || strings.ContainsAny(id, "/+#") || len(id) > 100 {
			t.Errorf("session %q", id)
		}
	})
}

func TestSessionNames(t *testing.T) {
	names := map[string]string{}
	for _, of := range [][3]string{
		{"", "app", "a/b"},
		{"", "app", "a-b"},
		{"", "app", "a/B"},
		{"", "app2", "a/b"},
		{"r", "app", "a/b"},
		{"r2", "app", "a/b"},
		{"", "app", "$share/g/a/b"},
		{"", "app", strings.Repeat("x", 100)},
		{"", "app", strings.Repeat("x", 101)},
	} {
		id := sessionID(of[0], of[1], of[2])
		if other, twice := names[id]; twice {
			t.Errorf("%v has the name of %s: %s", of, other, id)
		}
		names[id] = strings.Join(of[:], " ")
		if id != sessionID(of[0], of[1], of[2]) {
			t.Errorf("%v: the name is another one each time", of)
		}
	}
}

func TestProperties(t *testing.T) {
	in := map[string]string{
		"plain": "a: b", "empty": "", "lines": "a\r\nb", "ctl\x01key": "v", "ünï": "✓", packedKey: "mine", "retain": "true", "retained": "true", "TTLInSeconds": "7",
	}
	out := &outgoing{}
	if err := out.properties(&Message{ContentType: "text/plain", Metadata: in}); err != nil {
		t.Fatal(err)
	}
	for _, p := range out.user {
		if badText(p.Key) != "" || badText(p.Value) != "" {
			t.Errorf("property %q: %q is no text of MQTT", p.Key, p.Value)
		}
	}
	if out.contentType != "text/plain" || out.expiry == nil || *out.expiry != 7 {
		t.Errorf("content type %q, expiry %v", out.contentType, out.expiry)
	}
	want := maps.Clone(in)
	delete(want, "retain")
	delete(want, "TTLInSeconds")
	want["retained"] = "false"
	if got := metadata(out.user, false); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPropertiesOfOthers(t *testing.T) {
	user := paho.UserProperties{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}, {Key: packedKey, Value: "no base64"}, {Key: packedKey, Value: "bm8ganNvbg=="}, {Key: "retained", Value: "x"}}
	if got, want := metadata(user, true), map[string]string{"k": "1, 2", "retained": "true"}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBadMessages(t *testing.T) {
	c := &Client{cfg: Config{V5: true, Settings: &Settings{}}}
	for _, m := range []Message{
		{Topic: "t", ContentType: "a\nb"},
		{Topic: "t", ContentType: strings.Repeat("x", 65536)},
		{Topic: "t", Metadata: map[string]string{"retain": "maybe"}},
		{Topic: "t", Metadata: map[string]string{"ttlInSeconds": "0"}},
		{Topic: "t", Metadata: map[string]string{"ttlInSeconds": "soon"}},
		{Topic: "t", Metadata: map[string]string{"k": strings.Repeat("x", 65536)}},
		{Topic: "t", Data: make([]byte, maxPacket)},
	} {
		if _, err := c.outgoing(&m); err == nil || !strings.Contains(err.Error(), ErrInvalid.Error()) {
			t.Errorf("%.20q with %.50q: got %v, want ErrInvalid", m.ContentType, m.Metadata, err)
		}
	}
}
