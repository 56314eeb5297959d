package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// App is one WebAssembly app.
type App struct {
	Header
	Spec AppSpec `yaml:"spec,required" doc:"where the app comes from and what it may use"`
}

// AppSpec is App.spec.
type AppSpec struct {
	Object
	Source        AppSource           `yaml:"source,required" doc:"where the code comes from: exactly one of its fields"`
	HTTP          *HTTP               `yaml:"http" doc:"the front door"`
	Env           map[string]Value    `yaml:"env" check:"env" doc:"environment variables of the guest; a value may be {envRef: NAME}, a variable of the host"`
	Args          []string            `yaml:"args" doc:"command line arguments of the guest, after the app's name, which is the first"`
	Dirs          []Dir               `yaml:"dirs" doc:"folders of the host that a WASI component sees (wasi:filesystem); none by default"`
	Dependencies  map[string]string   `yaml:"dependencies" doc:"interface that the component imports: app of this manifest, or wasm file, whose component exports it"`
	Limits        Limits              `yaml:"limits" doc:"what the app may use up"`
	Instances     string              `yaml:"instances" enum:"reset,reuse" default:"reset" doc:"reset: every request sees a fresh instance; reuse: instances keep their memory between requests"`
	Actors        []ActorType         `yaml:"actors" doc:"actor types that the app implements"`
	Configuration []ConfigurationKeys `yaml:"configuration" doc:"keys of configuration stores whose changes the app handles"`
	Allow         Allow               `yaml:"allow" doc:"what the app may reach outside; nothing by default"`
}

// AppSource is App.spec.source. The paths are resolved: relative ones start at the manifest's folder.
type AppSource struct {
	Object
	Go   string `yaml:"go" doc:"folder of a Go main package, built by run; relative to the manifest file"`
	Wasm string `yaml:"wasm" doc:"a WebAssembly file; relative to the manifest file"`
	OCI  string `yaml:"oci" doc:"an OCI artefact, registry/name:tag"`
}

// HTTP is App.spec.http.
type HTTP struct {
	Object
	Routes []Route `yaml:"routes" doc:"paths of the front door that this app serves; default /NAME/... with the name of the app; [] for none"`
}

// Limits is App.spec.limits.
type Limits struct {
	Object
	Memory       Bytes         `yaml:"memory" default:"64Mi" doc:"linear memory of one instance, a multiple of 64Ki up to 4Gi"`
	Timeout      time.Duration `yaml:"timeout,positive" default:"30s" doc:"time for one call"`
	MaxInstances int           `yaml:"maxInstances" default:"64" min:"1" max:"65536" doc:"instances at one time"`
	Queue        int           `yaml:"queue" default:"256" min:"0" max:"1048576" doc:"calls that wait for an instance; more are refused (503)"`
}

// ConfigurationKeys is one of App.spec.configuration.
type ConfigurationKeys struct {
	Object
	Store string   `yaml:"store" doc:"the configuration store; when missing the only one there is, or the one called configstore"`
	Keys  []string `yaml:"keys" doc:"the keys; all when missing"`
}

// Allow is App.spec.allow.
type Allow struct {
	Object
	Hosts   []string `yaml:"hosts" check:"allowHost" doc:"hosts for outbound HTTP: https://api.example.com, http://10.0.0.7:8080, *.example.com, or * for all"`
	Sockets []string `yaml:"sockets" check:"allowSocket" doc:"sockets of a WASI component: tcp://db.example.com:5432, udp://10.0.0.0/8:53, tcp://*:443, tcp-listen://127.0.0.1:9000"`
}

// DefaultLimits are the limits of an app that sets none.
func DefaultLimits() Limits {
	return Limits{Memory: 64 * MiB, Timeout: 30 * time.Second, MaxInstances: 64, Queue: 256}
}

// DefaultRoutes are the routes of an app that sets none.
func DefaultRoutes(app string) []Route { return []Route{{Path: "/" + app, Prefix: true}} }

// Routes are the app's routes on the front door: its own, or the default.
func (a *App) Routes() []Route {
	if a.Spec.HTTP == nil || a.Spec.HTTP.Routes == nil {
		return DefaultRoutes(a.Name())
	}
	return a.Spec.HTTP.Routes
}

// routePos is where a route is written; for the default route where the app's name is.
func (a *App) routePos(i int) Pos {
	if a.Spec.HTTP == nil || a.Spec.HTTP.Routes == nil {
		return a.NamePos()
	}
	return a.Spec.HTTP.At(element("routes", i))
}

// Env is the guest's environment as the manifest gives it, envRefs resolved.
func (a *App) Env() map[string]string {
	out := make(map[string]string, len(a.Spec.Env))
	for name, v := range a.Spec.Env {
		out[name] = v.Text
	}
	return out
}

func (a *App) check(l *load) {
	l.checkAppName(a)
	a.checkSource(l)
	if a.Spec.Has("limits") {
		l.reportIf(a.Spec.Limits.At("memory"), "spec.limits.memory", checkMemory(a.Spec.Limits.Memory))
	}
	for _, name := range sortedKeys(a.Spec.Env) {
		at := a.Spec.At("env." + name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			l.errorf(at, "", "spec.env: %q is not a name of an environment variable", shorten(name))
		}
		if v := a.Spec.Env[name]; v.Env != "" {
			v.Text = l.envRef(at, "spec.env."+name, v.Env)
			a.Spec.Env[name] = v
		}
	}
	a.checkActors(l)
	a.checkDirs(l)
	a.checkDependencies(l)
}

func (l *load) checkAppName(a *App) {
	name := a.Name()
	if name == "" {
		return // reported as missing
	}
	if err := checkAppName(name); err != nil {
		l.reportIf(a.NamePos(), "metadata.name", err)
	}
}

// checkSource checks that there is one source and that it exists, and resolves its path.
func (a *App) checkSource(l *load) {
	s := &a.Spec.Source
	var given []string
	for _, f := range []struct{ name, value string }{{"go", s.Go}, {"wasm", s.Wasm}, {"oci", s.OCI}} {
		if s.Has(f.name) {
			given = append(given, f.name)
			if f.value == "" {
				l.errorf(s.At(f.name), "", "spec.source.%s: is empty", f.name)
			}
		}
	}
	if a.Spec.Has("source") && !s.broken && len(given) != 1 {
		if len(given) == 0 {
			l.errorf(s.Pos, "write {go: ./folder} or {wasm: file.wasm}", "spec.source: want one of go, wasm, oci, found none")
		} else {
			l.errorf(s.At(given[1]), "keep one of them", "spec.source: want one of go, wasm, oci, found %s", strings.Join(given, " and "))
		}
	}
	if s.Go != "" {
		s.Go = resolve(s.Pos.File, s.Go)
		l.reportIf(s.At("go"), "spec.source.go", checkGoFolder(s.Go))
	}
	if s.Wasm != "" {
		s.Wasm = resolve(s.Pos.File, s.Wasm)
		l.reportIf(s.At("wasm"), "spec.source.wasm", checkWasmFile(s.Wasm))
	}
}

// resolve makes a path of a manifest file relative to where that file is.
func resolve(file, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(file), path)
}

func checkGoFolder(path string) error {
	entries, err := os.ReadDir(path)
	switch {
	case err == nil && slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go")
	}):
		return nil
	case err == nil:
		return &hintError{"want a folder with a Go main package, found no .go file in " + path, "", 0}
	case os.IsNotExist(err):
		return &hintError{"folder " + path + " does not exist", nearby(path, true), 0}
	default:
		return &hintError{"want a folder with a Go main package: " + path + ": " + cause(err).Error(), "", 0}
	}
}

func checkWasmFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular():
		return nil
	case err == nil:
		return &hintError{"want a WebAssembly file, found a folder or device at " + path, "", 0}
	case os.IsNotExist(err):
		return &hintError{"file " + path + " does not exist", nearby(path, false), 0}
	default:
		return &hintError{"cannot read " + path + ": " + cause(err).Error(), "", 0}
	}
}

// nearby suggests a name in the same folder for one that does not exist.
func nearby(path string, dirs bool) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var have []string
	for _, e := range entries {
		if e.IsDir() == dirs {
			have = append(have, e.Name())
		}
	}
	return suggestEnum(filepath.Base(path), have)
}
