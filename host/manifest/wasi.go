package manifest

import (
	"fmt"
	"net/netip"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Dir is one of App.spec.dirs: a folder that the guest sees.
type Dir struct {
	Object
	Host     string `yaml:"host,required" doc:"the folder; relative to the manifest file"`
	Guest    string `yaml:"guest" doc:"where the guest sees it; default /, or the same as host when that is absolute"`
	ReadOnly bool   `yaml:"readOnly" doc:"the guest may not change anything in it"`
}

func (a *App) checkDirs(l *load) {
	seen := map[string]bool{}
	for i := range a.Spec.Dirs {
		d := &a.Spec.Dirs[i]
		if d.Host == "" {
			continue // reported as missing
		}
		if d.Guest == "" {
			d.Guest = "/"
		}
		if clean := path.Clean(d.Guest); clean != d.Guest && clean+"/" != d.Guest {
			l.errorf(d.At("guest"), fmt.Sprintf("write %q", clean), "spec.dirs: want a clean path, found %s", quote(d.Guest))
		}
		if seen[d.Guest] {
			l.errorf(d.Pos, "give it another guest path", "spec.dirs: the guest path %s is there twice", quote(d.Guest))
		}
		seen[d.Guest] = true
		d.Host = resolve(d.Pos.File, d.Host)
		if info, err := os.Stat(d.Host); err != nil || !info.IsDir() {
			l.errorf(d.At("host"), "make the folder, or name another", "spec.dirs: want a folder, found none at %s", d.Host)
		}
	}
}

// interfaceName is a WIT interface with or without its version.
var interfaceName = regexp.MustCompile(`^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*/[a-z][a-z0-9-]*(@[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*)?$`)

// checkDependencies resolves those that are files; names of apps are checked when all apps are known.
func (a *App) checkDependencies(l *load) {
	for _, iface := range sortedKeys(a.Spec.Dependencies) {
		at := a.Spec.At("dependencies." + iface)
		if !interfaceName.MatchString(iface) {
			l.errorf(at, "", "spec.dependencies: want an interface such as acme:pricing/quotes@1.0.0, found %s", quote(iface))
		}
		if from := a.Spec.Dependencies[iface]; strings.HasSuffix(from, ".wasm") {
			file := resolve(at.File, from)
			a.Spec.Dependencies[iface] = file
			l.reportIf(at, "spec.dependencies", checkWasmFile(file))
		}
	}
}

// dependencies reports apps that are not there, and circles.
func (l *load) dependencies() {
	names := l.m.AppNames()
	for _, a := range l.m.Apps {
		for _, iface := range sortedKeys(a.Spec.Dependencies) {
			at := a.Spec.At("dependencies." + iface)
			from := a.Spec.Dependencies[iface]
			switch {
			case strings.HasSuffix(from, ".wasm"):
			case !slices.Contains(names, from):
				l.errorf(at, suggestEnum(from, names), "spec.dependencies: want an app of this manifest or a .wasm file, found %s", quote(from))
			case l.dependsOn(from, a.Name(), map[string]bool{}):
				l.errorf(at, "", "spec.dependencies: %s and %s depend on each other; one of them has to come first", a.Name(), from)
			}
		}
	}
}

// dependsOn tells whether app needs the app other, itself or through others.
func (l *load) dependsOn(app, other string, seen map[string]bool) bool {
	if app == other {
		return true
	}
	if seen[app] {
		return false
	}
	seen[app] = true
	a := l.m.App(app)
	if a == nil {
		return false
	}
	for _, from := range a.Spec.Dependencies {
		if l.dependsOn(from, other, seen) {
			return true
		}
	}
	return false
}

// SocketRule is one of App.spec.allow.sockets.
type SocketRule struct {
	// UDP tells UDP from TCP, Listen a local address to bind to from a remote one.
	UDP, Listen bool
	// Host is a name, Net addresses if Host is empty; neither is any host.
	Host string
	Net  netip.Prefix
	// Port is 0 for any.
	Port uint16
}

var socketSchemes = map[string]SocketRule{
	"tcp": {}, "udp": {UDP: true}, "tcp-listen": {Listen: true}, "udp-listen": {UDP: true, Listen: true},
}

// ParseSocketRule reads a rule: scheme://host:port, where the host is a name, an address, a network such as 10.0.0.0/8
// or *, and the port a number or *.
func ParseSocketRule(text string) (SocketRule, error) {
	const wanted = "want a rule such as tcp://db.example.com:5432, udp://10.0.0.0/8:53 or tcp-listen://127.0.0.1:9000"
	scheme, rest, ok := strings.Cut(text, "://")
	rule, known := socketSchemes[scheme]
	if !ok || !known {
		return rule, &hintError{wanted + ", found " + quote(text), suggestEnum(scheme, []string{"tcp", "udp", "tcp-listen", "udp-listen"}), 0}
	}
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 {
		return rule, &hintError{wanted + ", found no port in " + quote(text), fmt.Sprintf("write %q for all ports", text+":*"), 0}
	}
	host, port := rest[:colon], rest[colon+1:]
	if port != "*" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return rule, fmt.Errorf("%s, found the port %s", wanted, quote(port))
		}
		rule.Port = uint16(n)
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "*" {
		return rule, nil
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		rule.Net = prefix.Masked()
		return rule, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		rule.Net = netip.PrefixFrom(addr, addr.BitLen())
		return rule, nil
	}
	if host == "" || strings.ContainsAny(host, "*/:@ ") {
		return rule, fmt.Errorf("%s, found the host %s", wanted, quote(host))
	}
	rule.Host = strings.ToLower(host)
	return rule, nil
}
