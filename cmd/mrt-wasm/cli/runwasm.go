package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// wasmFlags say what a wasm file that is run without a manifest is given.
type wasmFlags struct {
	env, dirs, hosts, sockets []string
	args                      []string // after --
	memory                    string
	timeout                   time.Duration
}

func (f *wasmFlags) flags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&f.env, "env", nil, "environment variable of a wasm file, NAME=VALUE; may be repeated")
	fs.StringArrayVar(&f.dirs, "dir", nil, "folder that a wasm file sees, HOST[::GUEST][:ro]; may be repeated")
	fs.StringArrayVar(&f.hosts, "allow-host", nil, "host that a wasm file may call over HTTP, as spec.allow.hosts; may be repeated")
	fs.StringArrayVar(&f.sockets, "allow-socket", nil, "socket that a wasm file may open, as spec.allow.sockets; may be repeated")
	fs.StringVar(&f.memory, "memory", "", "memory of one instance of a wasm file, as spec.limits.memory")
	fs.DurationVar(&f.timeout, "timeout", 0, "time for one call of a wasm file, as spec.limits.timeout (default 30s, for a command none)")
}

// given names the first flag that is only for wasm files and was given; "" for none.
func (f *wasmFlags) given() string {
	for _, flag := range []struct {
		name   string
		values []string
	}{{"--env", f.env}, {"--dir", f.dirs}, {"--allow-host", f.hosts}, {"--allow-socket", f.sockets}, {"--", f.args}} {
		if len(flag.values) > 0 {
			return flag.name
		}
	}
	switch {
	case f.memory != "":
		return "--memory"
	case f.timeout != 0:
		return "--timeout"
	default:
		return ""
	}
}

// soleWasm gives the wasm file that is to be run without a manifest.
func soleWasm(paths []string) (file string, ok bool) {
	if len(paths) == 1 && strings.EqualFold(filepath.Ext(paths[0]), ".wasm") {
		return paths[0], true
	}
	return "", false
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// wasmManifest makes the manifest of one wasm file: an app with the file's name that serves every path.
func wasmManifest(file string, f *wasmFlags) (*manifest.Manifest, error) {
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(file)), ".wasm")
	name = strings.Trim(notInName.ReplaceAllString(name, "-"), "-")
	if name == "" {
		name = "app"
	}
	name = strings.Trim(name[:min(len(name), 63)], "-")
	env := map[string]string{}
	for _, e := range f.env {
		k, v, ok := strings.Cut(e, "=")
		if !ok {
			return nil, usagef("--env %q: expected NAME=VALUE", e)
		}
		env[k] = v
	}
	var dirs []map[string]any
	for _, d := range f.dirs {
		dir, err := parseDir(d)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if err := checkWasm(file); err != nil {
		return nil, err
	}
	limits := map[string]any{}
	if f.memory != "" {
		limits["memory"] = f.memory
	}
	if f.timeout == 0 && isCommand(file) {
		f.timeout = noTimeout
	}
	if f.timeout != 0 {
		limits["timeout"] = f.timeout.String()
	}
	doc := map[string]any{
		"apiVersion": manifest.AppVersion, "kind": "App", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"source": map[string]any{"wasm": path}, "http": map[string]any{"routes": []string{"/..."}},
			"env": env, "limits": limits, "args": f.args, "dirs": dirs, "allow": map[string]any{"hosts": f.hosts, "sockets": f.sockets},
		},
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return manifest.Loader{}.Parse(manifest.Source{Name: "the manifest of " + file, Data: text})
}

// checkWasm says what is wrong with a file before a manifest that nobody wrote is blamed for it.
func checkWasm(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	const magic = "\x00asm"
	start := make([]byte, len(magic))
	if n, err := io.ReadFull(f, start); err != nil || string(start) != magic {
		return fmt.Errorf("%s: expected a WebAssembly file, which starts with %q, found one that starts with %q", file, magic, start[:n])
	}
	return nil
}

// notStarted is the error of a run without a host: with err, or because of a signal.
func notStarted(paths []string, command string, err error) error {
	if err == nil && command != "" {
		return errInterrupted // it has done nothing yet
	}
	file, ok := soleWasm(paths)
	if _, unlinked := errors.AsType[*engine.LinkError](err); !ok || !unlinked {
		return err
	}
	return fmt.Errorf("%w\n'mrt-wasm inspect %s' shows all that it imports and what provides it", err, file)
}

// noTimeout is the timeout of commands: they run for as long as they like.
const noTimeout = 100 * 365 * 24 * time.Hour

// isCommand tells whether the file is a component that is run once. What cannot be read is for the host to complain of.
func isCommand(file string) bool {
	wasm, err := os.ReadFile(file)
	return err == nil && host.IsCommand(wasm)
}

// runCommand runs the one app of h, which is a command, and ends h. A signal ends it.
func runCommand(h *host.Host, name string, signals <-chan os.Signal, stopTimeout time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	code, err := h.RunCommand(ctx, name)
	if ctx.Err() != nil {
		err = errInterrupted
	}
	stopped, done := context.WithTimeout(context.Background(), stopTimeout)
	defer done()
	err = errors.Join(err, h.Stop(stopped))
	if err == nil && code != 0 {
		err = exitCode(code)
	}
	return err
}

var errInterrupted = errors.New("stopped by a signal")

// exitCode is the exit code of a command that ended by itself: nothing is to be said about it.
type exitCode int

// Error gives the code.
func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// parseDir reads HOST[::GUEST][:ro].
func parseDir(text string) (map[string]any, error) {
	rest, readOnly := strings.CutSuffix(text, ":ro")
	host, guest, hasGuest := strings.Cut(rest, "::")
	if host == "" || hasGuest && guest == "" {
		return nil, usagef("--dir %q: expected HOST, HOST::GUEST or either with :ro at the end", text)
	}
	abs, err := filepath.Abs(host)
	if err != nil {
		return nil, err
	}
	dir := map[string]any{"host": abs, "readOnly": readOnly}
	if hasGuest {
		dir["guest"] = guest
	}
	return dir, nil
}
