//go:build !wasip1

package pubsub

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPublish(t *testing.T) {
	ResetFake()
	if err := PublishJSON("bus", "t", map[string]int{"n": 1}, WithTTL(1500*time.Millisecond), WithType("x"), WithID("i"), WithSubject("s")); err != nil {
		t.Fatal(err)
	}
	failed, err := PublishBulk("bus", "t", []Entry{{ID: "1", Data: []byte("a"), Metadata: map[string]string{"k": "v"}}}, Raw())
	if err != nil || len(failed) != 0 {
		t.Fatalf("bulk: got %v, %v", failed, err)
	}
	got := fmt.Sprint(Published())
	want := `[{bus t application/json [123 34 110 34 58 49 125] map[cloudevent.id:i cloudevent.subject:s cloudevent.type:x ttlInSeconds:2]} ` +
		`{bus t  [97] map[k:v rawPayload:true]}]`
	if got != want {
		t.Errorf("published\n got %s\nwant %s", got, want)
	}
}

func TestPublishErrors(t *testing.T) {
	ResetFake()
	if err := Publish("", "", "", nil); !errors.Is(err, ErrInvalidTopic) || !strings.Contains(err.Error(), "default pubsub") {
		t.Errorf("no topic: got %v", err)
	}
	if err := PublishJSON("", "t", func() {}); err == nil {
		t.Error("a function was published as JSON")
	}
	FailFake(ErrUnavailable)
	if failed, err := PublishBulk("", "t", []Entry{{ID: "1"}}); err != nil || !errors.Is(failed["1"], ErrUnavailable) {
		t.Errorf("got %v, %v", failed, err)
	}
}
