package natsconn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// API are the metadata fields that say where the API of JetStream is.
type API struct {
	Domain string `metadata:"domain" doc:"JetStream domain"`
	Prefix string `metadata:"apiPrefix" doc:"prefix of the JetStream API's subjects"`
}

// Check gives what is wrong with the fields.
func (a *API) Check() error {
	if a.Domain != "" && a.Prefix != "" {
		return errors.New("metadata fields domain and apiPrefix: want one of them")
	}
	return nil
}

// Subjects is what the subjects of the API begin with, with a dot at its end.
func (a *API) Subjects() string {
	switch {
	case a.Domain != "":
		return "$JS." + a.Domain + ".API."
	case a.Prefix != "":
		return strings.TrimSuffix(a.Prefix, ".") + "."
	default:
		return jetstream.DefaultAPIPrefix
	}
}

// JetStream gives the API on a connection, and checks that it answers.
func (a *API) JetStream(ctx context.Context, c *Conn) (jetstream.JetStream, error) {
	js, err := jetstream.NewWithAPIPrefix(c.Conn, a.Subjects())
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata fields domain and apiPrefix: %w", err))
	}
	err = c.Do(ctx, func(ctx context.Context) error {
		_, err := js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the NATS server does not answer to JetStream; check that it is enabled (nats-server -js): %w", err)
	}
	return js, nil
}
