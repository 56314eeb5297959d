package testserver

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
)

// Shared is for servers that take long to start: one that is started for it instead of for a test is stopped by Main,
// when all tests of the package are over. Start it once:
//
//	var server = sync.OnceValue(func() *testserver.RabbitMQServer { return testserver.RabbitMQ(testserver.Shared) })
var Shared testing.TB = &shared{}

// Main stands in TestMain of a package that uses Shared; it gives the exit code.
func Main(run func() int) int {
	s := Shared.(*shared)
	defer s.end()
	return run()
}

// shared is as much of a testing.TB as servers need. Those methods that it does not have are not to be called.
type shared struct {
	testing.TB
	mu   sync.Mutex
	ends []func()
}

func (*shared) Name() string { return "shared" }

func (*shared) Helper() {}

func (*shared) Context() context.Context { return context.Background() }

// Fatal ends the test that has started the server, and every other that wants it.
func (*shared) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (*shared) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (s *shared) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, f)
}

func (s *shared) TempDir() string {
	dir, err := os.MkdirTemp("", "testserver")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range slices.Backward(s.ends) {
		f()
	}
	s.ends = nil
}
