// Command check proves that the bank loses no money: it runs the bank, sends it transfers from many sides, kills its
// process again and again in the middle of them, and then counts.
//
//	go run ./examples/actors/check [-kills N] [-transfers N] [-accounts N] [-http ADDR]
//
// With -http 127.0.0.1:8080, http://127.0.0.1:8080/bank/ shows it while it goes on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// config is what to do.
type config struct {
	// bin is the mrt-wasm to run; manifest what it runs, data its folder.
	bin, manifest, data string
	// http and api are its addresses; port 0 takes a free one at every start.
	http, api string

	accounts, transfers, kills, workers int
	seed                                uint64

	// say gets a line for each thing that happens.
	say io.Writer
}

// opening is what each account has at first.
const opening = 1000

func main() {
	cfg := config{say: os.Stdout}
	flag.StringVar(&cfg.bin, "bin", "", "the mrt-wasm to run; built from this source if empty")
	flag.StringVar(&cfg.manifest, "manifest", "examples/actors", "the bank's manifest")
	flag.StringVar(&cfg.data, "data", "", "an empty folder for the bank's data; a temporary one if empty")
	flag.StringVar(&cfg.http, "http", "127.0.0.1:0", "address of the bank's front door")
	flag.StringVar(&cfg.api, "api", "127.0.0.1:0", "address of the API")
	flag.IntVar(&cfg.accounts, "accounts", 10, "how many accounts, 2 to 1000")
	flag.IntVar(&cfg.transfers, "transfers", 2000, "how many transfers")
	flag.IntVar(&cfg.kills, "kills", 20, "how often the process is killed")
	flag.IntVar(&cfg.workers, "workers", 8, "how many transfers at one time")
	flag.Uint64Var(&cfg.seed, "seed", uint64(time.Now().UnixNano()), "chooses transfers and the moments of the kills")
	flag.Parse()
	if err := prepare(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

// prepare makes what the flags leave out, checks, and cleans up.
func prepare(cfg config) (err error) {
	if cfg.accounts < 2 || cfg.accounts > 1000 || cfg.transfers < 1 || cfg.kills < 0 || cfg.workers < 1 {
		return errors.New("want 2 to 1000 accounts, at least one transfer and one worker, and no negative number of kills")
	}
	dir, err := os.MkdirTemp("", "bank-check")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if cfg.data == "" {
		cfg.data = filepath.Join(dir, "data")
	}
	if cfg.bin == "" {
		cfg.bin = filepath.Join(dir, "mrt-wasm")
		if err := build(cfg.bin); err != nil {
			return err
		}
	}
	return check(context.Background(), cfg)
}

// build builds mrt-wasm.
func build(bin string) error {
	out, err := exec.Command("go", "build", "-o", bin, "github.com/mrt-wasm/mrt-wasm/cmd/mrt-wasm").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// check runs the bank and does everything to it; nil says that all was right.
func check(ctx context.Context, cfg config) (err error) {
	p := newProcess(cfg)
	if err := p.start(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nseed %d; last output of the process:\n%s", err, cfg.seed, p.out.String())
		}
		p.kill()
	}()
	c := &client{process: p}
	for i := range cfg.accounts {
		if err := c.open(ctx, account(i)); err != nil {
			return err
		}
	}
	at, err := p.at(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(cfg.say, "%d accounts are open; the bank is at %s/bank/\n", cfg.accounts, at.HTTP)

	s := newStorm(cfg, c)
	if err := s.run(ctx); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	return sleep(ctx, cfg, c)
}

func account(i int) string { return fmt.Sprintf("account-%d", i) }
