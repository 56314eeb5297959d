package localstorage

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

func openIn(t testing.TB, dir string) binding.Output {
	t.Helper()
	b, err := Spec.New(t.Context(), component.Config{Name: "files", Metadata: component.Metadata{"rootPath": dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(t.Context()) })
	return b.(binding.Output)
}

func named(op, name string) binding.Request {
	return binding.Request{Operation: op, Metadata: map[string]string{"fileName": name}}
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	var invalid, missing []binding.Request
	for _, op := range []string{"create", "get", "delete"} {
		for _, name := range []string{"..", "../x", "a/../../x", "/../x", "folder/../..", "a\x00b", ".", "/", strings.Repeat("n", 300)} {
			invalid = append(invalid, named(op, name))
		}
	}
	invalid = append(invalid, named("get", ""), named("delete", ""), named("get", "folder"), named("create", "folder"), named("list", "../"))
	for _, op := range []string{"get", "list", "delete"} {
		missing = append(missing, named(op, "nope"), named(op, "no/such/file"))
	}
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		b, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"rootPath": dir}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, bindingtest.Caps{
		Operations: []string{"create", "get", "list", "delete"}, Large: 5 << 20,
		Key:     func(name string) map[string]string { return map[string]string{"fileName": "objects/" + name} },
		Invalid: invalid, Missing: missing,
	})
}

func invoke(t *testing.T, out binding.Output, op, name, data string) string {
	t.Helper()
	req := named(op, name)
	req.Data = []byte(data)
	reply, err := out.Invoke(t.Context(), &req)
	if err != nil {
		t.Fatalf("%s %q: %v", op, name, err)
	}
	if reply == nil {
		return ""
	}
	return string(reply.Data)
}

func TestNamesAndLists(t *testing.T) {
	dir := t.TempDir()
	out := openIn(t, dir)
	var made struct{ FileName string }
	if err := json.Unmarshal([]byte(invoke(t, out, "create", "", "generated")), &made); err != nil || len(made.FileName) != 36 {
		t.Fatalf("create without a name: got %+v, %v; want a UUID", made, err)
	}
	if got := invoke(t, out, "get", made.FileName, ""); got != "generated" {
		t.Errorf("got %q", got)
	}
	invoke(t, out, "delete", made.FileName, "")
	if got := invoke(t, out, "create", "/a/b/../c.txt", "x"); got != `{"fileName":"a/c.txt"}` {
		t.Errorf("create answers %s", got)
	}
	invoke(t, out, "create", "a/d/e", "x")
	invoke(t, out, "create", "f", "x")
	for name, want := range map[string]string{"": `["a/c.txt","a/d/e","f"]`, "/": `["a/c.txt","a/d/e","f"]`, "a/d": `["a/d/e"]`} {
		if got := invoke(t, out, "list", name, ""); got != want {
			t.Errorf("list %q: got %s, want %s", name, got, want)
		}
	}
	file := named("list", "f")
	if _, err := out.Invoke(t.Context(), &file); !errors.Is(err, binding.ErrInvalid) {
		t.Errorf("list of a file: got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), tempPrefix) }) {
		t.Errorf("temporary files are left: %v, %v", entries, err)
	}
}

// TestNoWayOut plants links that lead out of the folder and looks that nothing outside is read, written or removed.
func TestNoWayOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("planted"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"file": secret, "folder": outside, "relative": filepath.Join("..", filepath.Base(outside), "secret"), "dangling": filepath.Join(outside, "new"),
		"proc": "/proc/self/environ",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	out := openIn(t, dir)
	for _, name := range []string{"file", "folder/secret", "relative", "dangling", "proc", "folder/x/y"} {
		for _, op := range []string{"get", "create"} {
			if op == "create" && !strings.Contains(name, "/") {
				continue // takes the place of the link itself
			}
			req := named(op, name)
			req.Data = []byte("evil")
			reply, err := out.Invoke(t.Context(), &req)
			if !errors.Is(err, binding.ErrInvalid) {
				t.Errorf("%s %s: got %v, %v; want ErrInvalid", op, name, reply, err)
			}
			if err != nil && strings.Contains(err.Error(), outside) {
				t.Errorf("%s %s: the error has the place outside: %v", op, name, err)
			}
		}
	}
	for _, name := range []string{"folder", "folder/"} {
		req := named("list", name)
		if reply, err := out.Invoke(t.Context(), &req); err == nil {
			t.Errorf("list %s: got %s, want an error", name, reply.Data)
		}
	}
	if got := invoke(t, out, "list", "", ""); strings.Contains(got, "secret") {
		t.Errorf("list follows links: %s", got)
	}
	invoke(t, out, "create", "file", "replaced")
	invoke(t, out, "create", "dangling", "replaced")
	invoke(t, out, "delete", "relative", "")
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 1 {
		t.Errorf("outside: got %v, %v; want the secret alone", left, err)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "planted" {
		t.Errorf("the file outside has %q, %v", data, err)
	}
}

func TestPipesDoNotHang(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	req := named("get", "pipe")
	if _, err := openIn(t, dir).Invoke(t.Context(), &req); !errors.Is(err, binding.ErrInvalid) {
		t.Errorf("get of a pipe: got %v, want ErrInvalid", err)
	}
}

func TestTextsOfTheHTTPAPI(t *testing.T) {
	out := openIn(t, t.TempDir())
	for _, test := range []struct {
		data, decode, want string
		json               bool
	}{
		{data: `"a \"text\"\n"`, json: true, want: "a \"text\"\n"},
		{data: `{"a":1}`, json: true, want: `{"a":1}`},
		{data: `"raw"`, want: `"raw"`},
		{data: `"aGVsbG8="`, json: true, decode: "true", want: "hello"},
		{data: `"aGVsbG8="`, json: true, want: "aGVsbG8="},
		{data: "aGVsbG8=", decode: "true", want: "hello"},
		{data: "no base64!", decode: "true", want: "invalid request"},
	} {
		req := named("create", "f")
		req.Data, req.JSON, req.Metadata["decodeBase64"] = []byte(test.data), test.json, test.decode
		if _, err := out.Invoke(t.Context(), &req); err != nil {
			if !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("create %s: %v", test.data, err)
			}
			continue
		}
		if got := invoke(t, out, "get", "f", ""); got != test.want {
			t.Errorf("create %s: stored %q, want %q", test.data, got, test.want)
		}
	}
}

func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/proc", link); err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{"": "rootPath is missing", file: "rootPath: want a folder", "/proc": "outside of /proc", link: "outside of /proc"} {
		_, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"rootPath": root}})
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("rootPath %q: got %v, want a permanent error with %q", root, err, want)
		}
	}
	made := filepath.Join(t.TempDir(), "a", "b")
	openIn(t, made)
	if _, err := os.Stat(made); err != nil {
		t.Errorf("the folder is not created: %v", err)
	}
}
