//go:build !wasip1

package configuration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestGet(t *testing.T) {
	ResetFake()
	SetFake("", "a", "1")
	SetFake("", "b", "2")
	SetFake("other", "a", "x")
	got, err := Get("", "a", "missing")
	if err != nil || len(got) != 1 || got["a"].Value != "1" || got["a"].Version == "" {
		t.Errorf("get: got %v, error %v", got, err)
	}
	DeleteFake("", "b")
	if got, err = Get(""); err != nil || fmt.Sprint(got) != "map[a:{a 1 1 map[] false}]" {
		t.Errorf("get all: got %v, error %v", got, err)
	}
	if _, err := Get("", ""); !errors.Is(err, ErrInvalidRequest) {
		t.Errorf("get of an empty key: got error %v", err)
	}
}

func TestValue(t *testing.T) {
	ResetFake()
	for key, text := range map[string]string{"text": "hi", "on": "true", "n": "42", "f": "1.5", "d": "1m30s", "bad": "x"} {
		SetFake("", key, text)
	}
	check(t, "text", "", "hi")
	check(t, "on", false, true)
	check(t, "n", 0, 42)
	check(t, "n", int64(0), 42)
	check(t, "f", 0.0, 1.5)
	check(t, "d", time.Duration(0), 90*time.Second)
	check(t, "missing", 7, 7)
	if got, err := Value("", "bad", 7); got != 7 || err == nil || !strings.Contains(err.Error(), `bad of default store: want an integer, found "x"`) {
		t.Errorf("a value that is no number: got %d, error %v", got, err)
	}
	FailFake(ErrUnavailable)
	if got, err := Value("", "n", 7); got != 7 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("store away: got %d, error %v", got, err)
	}
}

func check[T Scalar](t *testing.T, key string, fallback, want T) {
	t.Helper()
	if got, err := Value("", key, fallback); err != nil || got != want {
		t.Errorf("%s as a %T: got %v, error %v, want %v", key, want, got, err, want)
	}
}

func TestSubscribe(t *testing.T) {
	ResetFake()
	id, err := Subscribe("s", "b", "a")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Subscribe("s", "a", "b", "a"); err != nil || again != id {
		t.Errorf("again: got %q, error %v, want %q", again, err, id)
	}
	if got := FakeSubscriptions(); len(got) != 1 || fmt.Sprint(got[0].Keys) != "[a b]" {
		t.Errorf("got subscriptions %v", got)
	}
	if err := Unsubscribe("s", id); err != nil {
		t.Error(err)
	}
	if err := Unsubscribe("s", id); !errors.Is(err, ErrNoSubscription) {
		t.Errorf("unsubscribe again: got error %v", err)
	}
}
