package pubsubtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// childEnv holds address and topic, separated by a space, in the process that is to crash.
const childEnv = "MRT_PUBSUBTEST_CHILD"

// crashed is how many messages the process publishes before it crashes.
const crashed = 20

// OpenAt opens a broker at an address that the driver's tests choose: a server's, or a folder.
type OpenAt func(ctx context.Context, address string) (pubsub.Broker, error)

// Main stands in TestMain of a package that uses Crash; it gives the exit code.
func Main(m *testing.M, open OpenAt) int {
	address, topic, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		return m.Run()
	}
	if err := crash(context.Background(), open, address, topic, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// crash publishes, takes messages without settling them, says so, and waits to be killed.
func crash(ctx context.Context, open OpenAt, address, topic string, out io.Writer) error {
	b, err := open(ctx, address)
	if err != nil {
		return err
	}
	taken := make(chan struct{}, crashed)
	sub := pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 2}
	if _, err := b.Subscribe(ctx, sub, func(ctx context.Context, _ pubsub.Message) error {
		taken <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}); err != nil {
		return err
	}
	for _, text := range numbered(crashed) {
		if err := b.Publish(ctx, pubsub.Message{Topic: topic, Data: []byte(text)}); err != nil {
			return err
		}
	}
	<-taken
	<-taken
	fmt.Fprintln(out, "taken")
	_, err = io.Copy(io.Discard, os.Stdin) // the test's end would be ours
	return errors.Join(errors.New("not killed"), err)
}

// Crash kills a process that has published messages and holds some of them, and expects all of them here.
func Crash(t *testing.T, open OpenAt, address string) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	topic := fresh("crash")
	child := exec.CommandContext(t.Context(), exe)
	child.Env = append(os.Environ(), childEnv+"="+address+" "+topic)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if killErr := child.Process.Kill(); killErr != nil {
		t.Error(killErr)
	}
	_ = child.Wait() // it was killed
	if err != nil || line != "taken\n" {
		t.Fatalf("the process said %q, %v; want it to have taken messages", line, err)
	}
	b, err := open(t.Context(), address)
	if err != nil {
		t.Fatalf("after the crash: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	r := subscribe(t, b, pubsub.Subscription{Topic: topic, Consumer: "app", InFlight: 2}, nil)
	r.all(t, numbered(crashed))
}
