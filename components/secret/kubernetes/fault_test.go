package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

func TestFaults(t *testing.T) {
	s := testserver.Kubernetes(t) // one of its own
	s.Namespace("team")
	s.Secret("team", "db", map[string]string{"user": "app"})
	s.Allow("reader", "team", []string{"get"})
	config := kubeconfigFile(t, "token: "+s.Reader, "server: "+s.URL, "certificate-authority: "+s.CAFile)
	store := opened(t, component.Metadata{"kubeconfigPath": config})
	faulttest.Run(t, s, faulttest.Target{
		Write: func(ctx context.Context, _ int) error {
			got, err := store.Get(ctx, "db", nil)
			if err == nil && got["user"] != "app" {
				return fmt.Errorf("got %v", got)
			}
			return err
		},
		Unavailable: func(err error) bool { return errors.Is(err, secret.ErrUnavailable) },
		Credentials: []string{s.Reader},
		Bound:       60 * time.Second,
	})
	s.Stop()
	if _, err := tryOpen(t, component.Metadata{"kubeconfigPath": config}, nil); !errors.Is(err, secret.ErrUnavailable) {
		t.Errorf("open without a server: got error %v, want %v", err, secret.ErrUnavailable)
	} else if _, permanent := errors.AsType[*component.PermanentError](err); permanent {
		t.Errorf("open without a server: error %v is permanent", err)
	}
}

// TestCredentialsStayHidden plants credentials and values and looks for them in errors and logs.
func TestCredentialsStayHidden(t *testing.T) {
	s := server()
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var errs []error
	for _, user := range []string{
		"token: planted-1", "username: u\npassword: planted-2", "token: [planted-3]", "tokenFile: " + write(t, "t", "planted-4 x"),
		"client-certificate-data: planted-5", "client-key-data: planted-6", "token: planted-7\nexec: {command: none}", "token: \"planted-8\\nx\"",
	} {
		for _, cluster := range []string{"server: " + s.URL, "server: https://u:planted-9@h", "server: " + s.URL + "\n    certificate-authority-data: planted-10"} {
			store, err := tryOpen(t, component.Metadata{"kubeconfigPath": kubeconfigFile(t, user, cluster, "insecure-skip-tls-verify: true")}, log)
			if err == nil {
				_, err = store.Get(t.Context(), "db", nil)
				_ = store.Close(t.Context())
			}
			errs = append(errs, err)
		}
	}
	if !strings.Contains(lines.String(), "certificate is not checked") {
		t.Errorf("log: got %q, want a warning", lines.String())
	}
	errs = append(errs, errors.New(lines.String()))
	for i, err := range errs {
		if err == nil || strings.Contains(fmt.Sprintf("%v %#v", err, err), "planted-") {
			t.Errorf("error %d: got %v, want one without what was planted", i, err)
		}
	}
}
