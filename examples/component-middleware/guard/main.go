// Command guard is an HTTP middleware, for components of type middleware.http.wasm. It knows clients by the key in a header,
// and lets each of them make so many requests: a bucket of tokens per client, in the module's own memory.
package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware/response"
)

func init() {
	g := &guard{}
	middleware.Init(g.start)
	middleware.Handle(g.request)
	response.Handle(g.answer)
}

func main() {}

// guard is not stateless: one instance sees all requests, so its buckets count for all of them.
type guard struct {
	header  string
	clients map[string]string // name by key
	rate    float64           // tokens a second
	burst   float64
	buckets map[string]*bucket // by client
}

// bucket has the tokens that a client has left.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// start takes the metadata fields header, clients (key=name, with commas between), rate (requests a second) and burst.
func (g *guard) start(metadata map[string]string) error {
	g.clients, g.buckets = map[string]string{}, map[string]*bucket{}
	if g.header = metadata["header"]; g.header == "" {
		return errors.New("metadata field header: want the name of the header field with the client's key")
	}
	for pair := range strings.SplitSeq(metadata["clients"], ",") {
		key, name, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || key == "" || name == "" {
			return errors.New("metadata field clients: want key=name, with commas between") // the keys are secret
		}
		g.clients[key], g.buckets[name] = name, nil
	}
	for field, into := range map[string]*float64{"rate": &g.rate, "burst": &g.burst} {
		n, err := strconv.ParseFloat(metadata[field], 64)
		if err != nil || n <= 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return fmt.Errorf("metadata field %s: want a number over 0, found %q", field, metadata[field])
		}
		*into = n
	}
	if g.burst < 1 {
		return fmt.Errorf("metadata field burst: want at least 1, found %v", g.burst)
	}
	return nil
}

// request lets a known client pass while it has tokens. The app gets its name, and not its key.
func (g *guard) request(r *middleware.Request) (*middleware.Response, error) {
	name := g.client(r.Header.Get(g.header))
	if name == "" {
		return middleware.Error(401, "send a key in the header %s", g.header), nil
	}
	if wait := g.take(name, time.Now()); wait > 0 {
		resp := middleware.Error(429, "too many requests; try again later")
		resp.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return resp, nil
	}
	r.Header = slices.DeleteFunc(r.Header, func(f middleware.Field) bool { return strings.EqualFold(f.Name, g.header) })
	r.Header.Set("X-Client", name)
	return nil, nil //nolint:nilnil // the request goes on
}

// client gives the name for a key, in the same time for any key; "" if there is none.
func (g *guard) client(key string) (found string) {
	for _, known := range slices.Sorted(maps.Keys(g.clients)) {
		if subtle.ConstantTimeCompare([]byte(known), []byte(key)) == 1 {
			found = g.clients[known]
		}
	}
	return found
}

// take takes a token, or tells how long it is until there is one.
func (g *guard) take(name string, now time.Time) (wait time.Duration) {
	b := g.buckets[name]
	if b == nil {
		b = &bucket{g.burst, now}
		g.buckets[name] = b
	}
	b.tokens = min(g.burst, b.tokens+now.Sub(b.at).Seconds()*g.rate)
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / g.rate * float64(time.Second))
	}
	b.tokens--
	return 0
}

// answer tells a client how many requests it has left.
func (g *guard) answer(r *middleware.Request, resp *middleware.Response) error {
	if b := g.buckets[r.Header.Get("X-Client")]; b != nil {
		resp.Header.Set("X-Requests-Left", strconv.Itoa(int(b.tokens)))
	}
	return nil
}
