package host_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// A host inside another Go program: it runs what the command line runs.
//
//nolint:testableexamples // it listens until it is interrupted
func Example() {
	m, err := manifest.Load("manifest.yaml")
	if err != nil {
		log.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h, err := host.New(ctx, host.Options{Manifest: m, Drivers: drivers, HTTPAddr: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	if err := h.Start(ctx); err == nil {
		front, api := h.Addrs()
		fmt.Println(front, api)
		<-ctx.Done()
	}
	if err := h.Stop(context.WithoutCancel(ctx)); err != nil {
		log.Fatal(err)
	}
}
