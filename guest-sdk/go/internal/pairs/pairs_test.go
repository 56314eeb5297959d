package pairs

import (
	"fmt"
	"testing"
)

func TestPairs(t *testing.T) {
	if From(nil) != nil || Map(nil) != nil {
		t.Error("want nil for nothing")
	}
	list := From(map[string]string{"b": "2", "a": "1"})
	if got := fmt.Sprint(list); got != "[{a 1} {b 2}]" {
		t.Errorf("From: got %s", got)
	}
	if got := fmt.Sprint(Map(append(list, list[0]))); got != "map[a:1 b:2]" {
		t.Errorf("Map: got %s", got)
	}
}
