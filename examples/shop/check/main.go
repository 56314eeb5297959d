// Command check drives the running shop from outside and checks every answer:
//
//	go run ./examples/shop/check [-http URL] [-api ADDR] [-state FILE]
//
// With -state it keeps what it ordered in FILE, and a later run checks that the shop still has it. With -start MANIFEST it
// runs the shop itself, in a temporary folder, and ends it three times, once by a kill, to see that nothing is lost.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

// shop is the shop as seen from outside.
type shop struct {
	// front is the URL of the front door, api the address of Dapr's API.
	front, api string
	// mrt is the mrt-wasm binary, whose commands set configuration and publish.
	mrt string
	// receipts is the folder of the receipts, secrets the file with the key that they are signed with.
	receipts, secrets string
	http              http.Client
}

func main() {
	s := shop{http: http.Client{Timeout: time.Minute}}
	flag.StringVar(&s.front, "http", "http://127.0.0.1:8080", "the shop's front door")
	flag.StringVar(&s.api, "api", "127.0.0.1:3500", "address of Dapr's API")
	flag.StringVar(&s.mrt, "mrt", "bin/mrt-wasm", "the mrt-wasm binary")
	flag.StringVar(&s.receipts, "receipts", ".mrt/receipts", "the folder of the receipts")
	flag.StringVar(&s.secrets, "secrets", "examples/shop/secrets.json", "a file with the receipts' key, as secrets.json has it")
	state := flag.String("state", "", "a file that keeps what was ordered, to be checked by the next run")
	manifest := flag.String("start", "", "run this manifest, and check it over three restarts")
	flag.Parse()
	var err error
	if *manifest != "" {
		err = restarts(*manifest, s.mrt, s.secrets)
	} else {
		err = s.check(*state)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	fmt.Println("all answers are right")
}
