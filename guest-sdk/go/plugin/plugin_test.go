//go:build !wasip1

package plugin

import "testing"

func TestStateless(t *testing.T) {
	if IsStateless() {
		t.Error("stateless before it was said")
	}
	Stateless()
	if !IsStateless() {
		t.Error("not stateless though it was said")
	}
}
