package component

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

type fake struct {
	cfg    Config
	closed *[]string
}

func (f *fake) Close(context.Context) error {
	*f.closed = append(*f.closed, f.cfg.Name+"/"+f.cfg.App)
	return nil
}

type fields struct {
	Host    string         `metadata:"redisHost,required" alias:"host" doc:"host:port"`
	TLS     bool           `metadata:"enableTLS" default:"no" doc:"use TLS"`
	Depth   int            `metadata:"queueDepth" default:"100"`
	Timeout time.Duration  `metadata:"timeout,ms" default:"3s"`
	TTL     *int           `metadata:"ttlInSeconds"`
	Secret  int            `metadata:"pin,secret"`
	Idle    *time.Duration `metadata:"idle"`
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name string
		md   Metadata
		want string
	}{
		{"defaults", Metadata{"redishost": "a:1"}, `{a:1 false 100 3s nil 0 nil}`},
		{"all", Metadata{"HOST": "b:2", "enableTLS": "Yes", "queueDepth": " 7 ", "timeout": "250", "ttlInSeconds": "9", "idle": "1m"}, `{b:2 true 7 250ms 9 0 1m0s}`},
		{"missing", Metadata{}, `error: metadata field redisHost is missing: host:port`},
		{
			"wrong",
			Metadata{"redisHost": "a", "enableTLS": "maybe", "queueDepth": "x", "timeout": "soon", "pin": "hunter2"},
			"error: metadata field enableTLS: want true or false, found \"maybe\"\n" +
				"metadata field queueDepth: want an integer, found \"x\"\n" +
				"metadata field timeout: want a duration such as 5s or 200ms, found \"soon\"\n" +
				"metadata field pin: want an integer",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f fields
			err := Config{Metadata: tt.md}.Decode(&f)
			got := fmt.Sprintf("{%s %v %d %s %s %d %s}", f.Host, f.TLS, f.Depth, f.Timeout, show(f.TTL), f.Secret, show(f.Idle))
			if err != nil {
				got = "error: " + err.Error()
				if _, ok := errors.AsType[*PermanentError](err); !ok {
					t.Errorf("%T is not permanent", err)
				}
			}
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func show[T any](p *T) string {
	if p == nil {
		return "nil"
	}
	return fmt.Sprint(*p)
}

func TestFieldsAndUnknown(t *testing.T) {
	var names []string
	for _, f := range Fields(&fields{}) {
		names = append(names, f.Name+":"+f.Kind)
	}
	want := "redisHost:string enableTLS:bool queueDepth:integer timeout:duration ttlInSeconds:integer pin:integer idle:duration"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	got := Metadata{"host": "x", "keyprefix": "name", "redisHots": "y", "zzz": ""}.Unknown(&fields{})
	if strings.Join(got, ",") != "redisHots,zzz" {
		t.Errorf("unknown fields: got %v; want redisHots, zzz", got)
	}
}

func TestNewSetRefuses(t *testing.T) {
	open := func(context.Context, Config) (*fake, error) { return &fake{}, nil }
	_, err := NewSet("state",
		Spec[*fake]{Type: "pubsub.x", Doc: "d", New: open},
		Spec[*fake]{Type: "state.a", New: open},
		Spec[*fake]{Type: "state.b", Doc: "d", New: open},
		Spec[*fake]{Type: "state.c", Doc: "d", New: open, Aliases: []string{"state.b"}})
	for _, want := range []string{`"pubsub.x": want state.<name>`, "state.a: Doc and New are needed", "state.b is listed twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func TestWith(t *testing.T) {
	named := func(who string, err error) func(context.Context, Config) (*fake, error) {
		return func(_ context.Context, cfg Config) (*fake, error) {
			cfg.Name = who
			return &fake{cfg: cfg}, err
		}
	}
	set, err := NewSet("state",
		Spec[*fake]{Type: "state.a", Aliases: []string{"state.aa"}, Doc: "d", New: named("native", nil)},
		Spec[*fake]{Type: "state.c", Doc: "d", New: named("native", Permanent(errors.Join(Elsewhere(errors.New("metadata field useIAM: this binary has no cloud SDK")))))})
	if err != nil {
		t.Fatal(err)
	}
	set, err = set.With(
		Spec[*fake]{Type: "state.a", Aliases: []string{"state.aaa"}, Doc: "d", Versions: []string{"v1", "v2"}, New: named("other", nil)},
		Spec[*fake]{Type: "state.b", Aliases: []string{"state.aa", "state.bb"}, Doc: "d", New: named("other", nil)},
		Spec[*fake]{Type: "state.c", Doc: "d", New: named("other", nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ typ, version, want string }{
		{"state.a", "v1", "native"},
		{"state.a", "", "native"},
		{"state.aa", "v1", "native"},
		{"state.aaa", "v1", "other"},
		{"state.a", "v2", "other"},
		{"state.b", "v1", "other"},
		{"state.bb", "v1", "other"},
		{"state.c", "v1", "other"},
	} {
		spec, ok := set.Lookup(tt.typ)
		if !ok || !spec.Supports(tt.version) {
			t.Errorf("%s %s is not there", tt.typ, tt.version)
			continue
		}
		got, err := spec.New(t.Context(), Config{Version: tt.version, Log: slog.New(slog.DiscardHandler)})
		if err != nil || got.cfg.Name != tt.want {
			t.Errorf("%s %s: got %v, %v; want %s", tt.typ, tt.version, got.cfg.Name, err, tt.want)
		}
	}
}

func newManager(t *testing.T, closed *[]string, decls ...Decl) (*Manager[*fake], error) {
	t.Helper()
	failures := 2
	set, err := NewSet("state",
		Spec[*fake]{Type: "state.ok", Doc: "d", New: func(_ context.Context, cfg Config) (*fake, error) {
			return &fake{cfg, closed}, nil
		}},
		Spec[*fake]{Type: "state.slow", Doc: "d", New: func(_ context.Context, cfg Config) (*fake, error) {
			if failures--; failures >= 0 {
				return nil, errors.New("connection refused")
			}
			return &fake{cfg, closed}, nil
		}},
		Spec[*fake]{Type: "state.down", Doc: "d", New: func(ctx context.Context, _ Config) (*fake, error) {
			return nil, errors.New("connection refused")
		}},
		Spec[*fake]{Type: "state.wrong", Doc: "d", New: func(context.Context, Config) (*fake, error) {
			return nil, Permanent(errors.New("metadata field x is missing"))
		}})
	if err != nil {
		t.Fatal(err)
	}
	return NewManager(set, Env{Log: slog.New(slog.DiscardHandler), Namespace: "ns"}, decls)
}

func TestManagerOpensSharedAndPerApp(t *testing.T) {
	var closed []string
	m, err := newManager(t, &closed,
		Decl{Name: "shared", Type: "state.ok", Metadata: Metadata{"k": "{uuid}"}},
		Decl{Name: "own", Type: "state.ok", Metadata: Metadata{"k": "{appID} in {namespace}"}, Scopes: []string{"a", "b"}},
		Decl{Name: "late", Type: "state.slow", Scopes: []string{"a"}},
		Decl{Name: "other", Type: "pubsub.x"},
		Decl{Name: "gone", Type: "state.down", IgnoreErrors: true, InitTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Open(t.Context(), []string{"a", "b", "c"}); err != nil {
		t.Fatal(err)
	}
	own, err := m.Find("b", "own", "statestore")
	if err != nil {
		t.Fatal(err)
	}
	if got := own.Driver.cfg.Metadata["k"]; got != "b in ns.b" {
		t.Errorf("tags: got %q; want %q", got, "b in ns.b")
	}
	if gone, err := m.Find("a", "gone", ""); err != nil || gone.Err == nil {
		t.Errorf("a component with ignoreErrors: got %v, %v; want it with its error", gone, err)
	}
	_, err = m.Find("c", "own", "")
	if want := `state component "own" is not found for app c: it sees shared, gone`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := m.Find("c", "", "shared"); err != nil {
		t.Errorf("the fallback name: %v", err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(closed, " "), "late/ own/b own/a shared/"; got != want {
		t.Errorf("closed %s; want %s", got, want)
	}
}

func TestManagerErrors(t *testing.T) {
	tests := []struct {
		name string
		decl Decl
		want string
	}{
		{"no driver", Decl{Name: "s", Type: "state.nope", Where: "m.yaml:3"}, "m.yaml:3: component s: this binary has no driver state.nope; it has state.down, state.ok, state.slow, state.wrong"},
		{"no version", Decl{Name: "s", Type: "state.ok", Version: "v9", Where: "m.yaml:3"}, "m.yaml:3: component s: state.ok has no version v9"},
		{"down", Decl{Name: "s", Type: "state.down", Where: "m.yaml:3", InitTimeout: time.Millisecond}, "m.yaml:3: component s (state.down): not ready within initTimeout 1ms: connection refused"},
		{"wrong", Decl{Name: "s", Type: "state.wrong", Where: "m.yaml:3", InitTimeout: time.Hour}, "m.yaml:3: component s (state.wrong): metadata field x is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := newManager(t, new([]string), tt.decl)
			if err == nil {
				err = m.Open(t.Context(), nil)
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestDocumented: fields can be given as data, for a driver that reads its metadata itself.
func TestDocumented(t *testing.T) {
	spec := Spec[*fake]{Type: "state.a", Doc: "d", Documented: []Field{
		{Name: "host", Aliases: []string{"server"}, Kind: "string", Required: true},
		{Name: "password", Kind: "string", Secret: true, For: []Use{{Name: "by password", Required: true}}},
	}}
	set, err := NewSet("state", Spec[*fake]{Type: spec.Type, Doc: spec.Doc, Documented: spec.Documented, New: func(context.Context, Config) (*fake, error) {
		return &fake{}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Describe()[0].Fields; len(got) != 2 || got[0].Name != "host" || got[1].For[0].Name != "by password" {
		t.Errorf("described with %+v", got)
	}
	for _, md := range []Metadata{{"HOST": "h"}, {"server": "h"}} {
		if err := spec.Check(Config{Metadata: md}); err != nil {
			t.Errorf("%v: %v", md, err)
		}
	}
	for _, md := range []Metadata{nil, {"host": ""}, {"password": "p"}} {
		err := spec.Check(Config{Metadata: md})
		if _, permanent := errors.AsType[*PermanentError](err); !permanent || !strings.Contains(err.Error(), "metadata field host is missing") {
			t.Errorf("%v: got %v, want that host is missing", md, err)
		}
	}
}
