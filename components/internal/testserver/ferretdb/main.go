// Command ferretdb runs a FerretDB server, which keeps its data in SQLite files, behind a proxy that makes up for what
// MongoDB has and FerretDB 1 lacks: an update or delete of one document is atomic, and with -replica-set there are
// transactions.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:27017", "where to listen")
	dir := flag.String("dir", "", "folder of the data")
	tlsAddr := flag.String("tls-addr", "", "where to listen with TLS; empty for nowhere")
	cert := flag.String("cert", "", "file with the certificate")
	key := flag.String("key", "", "file with its key")
	set := flag.String("replica-set", "", "name of the replica set to be; empty for none, and no transactions")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	// It tells of every connection otherwise.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"}, Handler: "sqlite", Logger: log,
		// What is written outlives the process, if not the machine.
		SQLiteURL: "file:" + *dir + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	inner, err := url.Parse(server.MongoDBURI())
	if err != nil {
		return err
	}
	p := &proxy{server: inner.Host, addr: *addr, set: *set}
	if *tlsAddr != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		l, err := tls.Listen("tcp", *tlsAddr, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		go p.serve(l)
	}
	// This one last: who waits for the server asks it.
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	go p.serve(l)
	select {
	case <-ctx.Done():
		return nil // at once, as if killed
	case err := <-ended:
		return err
	}
}
