package host

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/sockets"
)

// socketRules are an app's spec.allow.sockets.
type socketRules struct {
	app   string
	rules []manifest.SocketRule
	log   *slog.Logger
}

// newSocketRules reads the rules, which the manifest has checked.
func newSocketRules(spec *manifest.App, log *slog.Logger) (*socketRules, error) {
	s := &socketRules{app: spec.Name(), log: log}
	for _, text := range spec.Spec.Allow.Sockets {
		rule, err := manifest.ParseSocketRule(text)
		if err != nil {
			return nil, fmt.Errorf("app %s: spec.allow.sockets: %w", s.app, err)
		}
		s.rules = append(s.rules, rule)
	}
	return s, nil
}

// allow fails with the line to add when no rule fits. The guest gets an error code without text, so the log has it.
func (s *socketRules) allow(ctx context.Context, a sockets.Access) error {
	if slices.ContainsFunc(s.rules, func(r manifest.SocketRule) bool { return fits(r, a) }) {
		return nil
	}
	err := fmt.Errorf("app %s may not %s; add to its manifest: spec.allow.sockets: [%q]", s.app, describe(a), wantedRule(a))
	s.log.WarnContext(ctx, "a socket was refused", "app", s.app, "error", err)
	return err
}

// fits tells whether a rule allows the access.
func fits(r manifest.SocketRule, a sockets.Access) bool {
	switch a.Use {
	case sockets.Resolve:
		return !r.Listen && slices.ContainsFunc(a.Names, func(n string) bool { return namesHost(r, n) })
	case sockets.UDPBind:
		// A socket that only sends is bound to a free port too.
		if a.Addr.Port() == 0 && r.UDP && !r.Listen {
			return true
		}
		return r.UDP && r.Listen && reaches(r, a)
	case sockets.TCPBind:
		if a.Addr.Port() == 0 && !r.UDP && !r.Listen {
			return true
		}
		return !r.UDP && r.Listen && reaches(r, a)
	case sockets.TCPConnect:
		return !r.UDP && !r.Listen && reaches(r, a)
	case sockets.UDPSend:
		return r.UDP && !r.Listen && reaches(r, a)
	default:
		return false
	}
}

// namesHost tells whether a name may be looked up under the rule: it is the rule's, or the rule is for any host.
func namesHost(r manifest.SocketRule, name string) bool {
	return r.Host == "" && !r.Net.IsValid() || strings.EqualFold(r.Host, strings.TrimSuffix(name, "."))
}

// reaches tells whether the rule's host and port are those of the access.
func reaches(r manifest.SocketRule, a sockets.Access) bool {
	if r.Port != 0 && r.Port != a.Addr.Port() {
		return false
	}
	switch {
	case r.Host != "":
		return slices.ContainsFunc(a.Names, func(n string) bool { return namesHost(r, n) })
	case r.Net.IsValid():
		return r.Net.Contains(a.Addr.Addr().Unmap())
	default:
		return true
	}
}

// describe says what the app wanted.
func describe(a sockets.Access) string {
	switch a.Use {
	case sockets.Resolve:
		return "look up " + strings.Join(a.Names, ", ")
	case sockets.TCPBind, sockets.UDPBind:
		return "listen on " + a.Addr.String()
	default:
		return "reach " + a.Addr.String()
	}
}

// wantedRule is a rule that would allow the access.
func wantedRule(a sockets.Access) string {
	schemes := map[sockets.Use]string{
		sockets.TCPBind: "tcp-listen", sockets.TCPConnect: "tcp", sockets.UDPBind: "udp-listen", sockets.UDPSend: "udp", sockets.Resolve: "tcp",
	}
	if a.Use == sockets.Resolve {
		return schemes[a.Use] + "://" + strings.Join(a.Names, "") + ":*"
	}
	host := a.Addr.Addr().Unmap().String()
	if len(a.Names) > 0 {
		host = a.Names[0]
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.Addr.Port() == 0 {
		return schemes[a.Use] + "://" + host + ":*"
	}
	return fmt.Sprintf("%s://%s:%d", schemes[a.Use], host, a.Addr.Port())
}
