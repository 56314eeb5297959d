package jwks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// pause is how long after an attempt that failed there is none: calls for unknown keys do not become a storm.
const pause = time.Second

const maxRedirects = 10

// remote is a set behind a URL. One goroutine fetches it when it is asked to.
type remote struct {
	url *url.URL
	// where is the URL without what may be a credential, for errors.
	where    string
	http     *http.Client
	timeout  time.Duration
	interval time.Duration
	log      *slog.Logger

	ask  chan struct{}
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	keys map[string]jwk.Key
	// tried is when the last attempt ended, and failed its error.
	tried  time.Time
	failed error
	// pending is closed at the end of the attempt that is under way; nil for none.
	pending chan struct{}
}

func openURL(ctx context.Context, text string, set *settings, log *slog.Logger) (source, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, component.Permanent(errors.New("metadata field jwks: want a URL such as https://id.example.com/.well-known/jwks.json, found one that cannot be read"))
	}
	r := &remote{
		url: u, where: u.Scheme + "://" + u.Host, timeout: set.RequestTimeout, interval: set.RefreshInterval, log: log,
		ask: make(chan struct{}, 1), done: make(chan struct{}),
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
				IdleConnTimeout: 90 * time.Second,
			},
			CheckRedirect: follow,
		},
	}
	if u.Scheme == "http" {
		log.Warn("the key set is fetched without TLS: whoever is between can put in keys of their own", "server", r.where)
	}
	keys, err := r.fetch(ctx)
	if err != nil {
		r.http.CloseIdleConnections()
		return nil, err
	}
	r.keys, r.tried = keys, time.Now()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	go r.run(running)
	return r, nil
}

// follow holds redirects: keys that were to come with TLS do not come without.
func follow(to *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects || via[0].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return errors.New("it leads on to another URL too often, or to one without TLS")
	}
	return nil
}

// run fetches the set when it is asked to, until the vault is closed.
func (r *remote) run(ctx context.Context) {
	defer close(r.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.ask:
		}
		keys, err := r.fetch(ctx)
		r.mu.Lock()
		if err == nil {
			r.keys = keys
		} else if ctx.Err() == nil && r.failed == nil {
			r.log.Warn("the key set cannot be fetched anew: the one that was fetched last is used", "error", err)
		}
		r.tried, r.failed = time.Now(), err
		close(r.pending)
		r.pending = nil
		r.mu.Unlock()
	}
}

// find gives a key that is known at once, and asks for the set again if it is old; for one that is not known it waits.
func (r *remote) find(ctx context.Context, kid string) (jwk.Key, error) {
	for waited := false; ; waited = true {
		key, pending, err := r.look(kid)
		if key != nil {
			return key, nil
		}
		if pending == nil || waited {
			return nil, err
		}
		if err := r.wait(ctx, pending); err != nil {
			return nil, err
		}
	}
}

func (r *remote) wait(ctx context.Context, pending <-chan struct{}) error {
	select {
	case <-pending:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
		return errors.New("the vault is closed")
	}
}

// look gives a key, or why there is none, and the attempt that is under way, which it starts if it is time.
func (r *remote) look(kid string) (jwk.Key, <-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.interval
	if r.failed != nil {
		wait = pause
	}
	if r.pending == nil && time.Since(r.tried) >= wait {
		r.pending = make(chan struct{})
		r.ask <- struct{}{} // has room: there is no other attempt
	}
	if r.failed != nil {
		return r.keys[kid], r.pending, r.failed
	}
	return r.keys[kid], r.pending, notFound(kid, "the set at "+r.where)
}

// ping tells how the last attempt went; it makes one if it is time.
func (r *remote) ping(ctx context.Context) error {
	_, pending, _ := r.look("")
	if pending != nil {
		if err := r.wait(ctx, pending); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *remote) close() {
	r.stop()
	<-r.done
	r.http.CloseIdleConnections()
}

// fetch reads the set once.
func (r *remote) fetch(ctx context.Context) (map[string]jwk.Key, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("no answer within %s (requestTimeout)", r.timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, r.unavailable(errors.New("the URL cannot be requested"))
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, r.unavailable(cause(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, localkeys.MaxSize+1))
	switch {
	case err != nil:
		return nil, r.unavailable(cause(ctx, err))
	case resp.StatusCode != http.StatusOK:
		return nil, r.unavailable(fmt.Errorf("want status 200, found %d", resp.StatusCode))
	}
	set, err := localkeys.ParseSet(data)
	if err != nil {
		return nil, r.unavailable(err)
	}
	skipped(r.log, set)
	return set.Keys, nil
}

func (r *remote) unavailable(err error) error {
	return fmt.Errorf("%w: key set at %s: %w", crypto.ErrUnavailable, r.where, err)
}

// cause is an error of the client without the URL, which may have credentials.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	for {
		outer, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = outer.Err
	}
}
