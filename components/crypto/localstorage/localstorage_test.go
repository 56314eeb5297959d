package localstorage_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/crypto/localstorage"
	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
)

func open(t *testing.T, folder string) crypto.Provider {
	t.Helper()
	v, err := localstorage.Spec.New(t.Context(), component.Config{Name: "vault", Metadata: component.Metadata{"path": folder}})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return v
}

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConformance has keys in all forms: JSON, PEM, bytes and base64, some in a folder below.
func TestConformance(t *testing.T) {
	folder, keys := t.TempDir(), cryptotest.Keys(t)
	for i := range keys {
		key := &keys[i]
		raw, symmetric := key.Raw.([]byte)
		data := key.JSON(t)
		switch {
		case i%2 == 0 && !symmetric:
			key.Name, data = key.Name+".pem", key.PEM(t)
		case i%4 == 0:
			key.Name, data = "text/"+key.Name, []byte(base64.StdEncoding.EncodeToString(raw)+"\n")
		default:
			key.Name = "team/" + key.Name + ".json"
		}
		write(t, data, folder, key.Name)
	}
	cryptotest.Run(t, func(t *testing.T) crypto.Provider { return open(t, folder) }, keys)
}

func TestBadSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, nil, file)
	for name, tt := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"no path":      {nil, "metadata field path is missing"},
		"empty":        {component.Metadata{"path": ""}, "metadata field path is missing"},
		"no folder":    {component.Metadata{"path": "/no/such/folder"}, "metadata field path: want a folder of keys"},
		"a file":       {component.Metadata{"path": file}, "metadata field path: want a folder of keys"},
		"no such name": {component.Metadata{"path": "a\x00b"}, "metadata field path: want a folder of keys"},
	} {
		_, err := localstorage.Spec.New(t.Context(), component.Config{Metadata: tt.metadata})
		permanent, ok := errors.AsType[*component.PermanentError](err)
		if !ok || !strings.Contains(permanent.Error(), tt.want) {
			t.Errorf("%s: got error %v, want a permanent one with %q", name, err, tt.want)
		}
	}
}

// secretOf uses a key, so that one can tell which it is.
func secretOf(t *testing.T, v crypto.Provider, name string) []byte {
	t.Helper()
	got, err := v.Encrypt(t.Context(), &crypto.Operation{Key: name, Algorithm: "A128CBC-NOPAD", Data: make([]byte, 16), Nonce: make([]byte, 16)})
	if err != nil {
		t.Fatalf("encrypt with key %q: %v", name, err)
	}
	return got.Data
}

// TestReload: a file that changes counts at once, also if its length and time stay as they were, and so does the folder.
func TestReload(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	one, two := bytes.Repeat([]byte{0xf1}, 16), bytes.Repeat([]byte{0xf2}, 16)
	write(t, one, folder, "k")
	info, err := os.Stat(filepath.Join(folder, "k"))
	if err != nil {
		t.Fatal(err)
	}
	v := open(t, folder)
	first := secretOf(t, v, "k")
	write(t, two, folder, "k")
	if err := os.Chtimes(filepath.Join(folder, "k"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	second := secretOf(t, v, "k")
	if bytes.Equal(first, second) {
		t.Error("the file was changed, and the old key is used")
	}
	if err := os.Rename(folder, folder+".old"); err != nil {
		t.Fatal(err)
	}
	_, err = v.PublicKey(t.Context(), "k")
	if !errors.Is(err, crypto.ErrUnavailable) {
		t.Errorf("without the folder: got error %v, want %v", err, crypto.ErrUnavailable)
	}
	if err := v.(crypto.Pinger).Ping(t.Context()); !errors.Is(err, crypto.ErrUnavailable) {
		t.Errorf("ping without the folder: got error %v, want %v", err, crypto.ErrUnavailable)
	}
	write(t, one, folder, "k")
	if got := secretOf(t, v, "k"); !bytes.Equal(got, first) {
		t.Error("the folder was replaced, and the key is not the one in it")
	}
	if err := os.Remove(filepath.Join(folder, "k")); err != nil {
		t.Fatal(err)
	}
	if _, err = v.PublicKey(t.Context(), "k"); !errors.Is(err, crypto.ErrKeyNotFound) {
		t.Errorf("without the file: got error %v, want %v", err, crypto.ErrKeyNotFound)
	}
	// More keys than are kept.
	for i := range 600 {
		secret := bytes.Clone(one)
		secret[0], secret[1] = 0xf0|byte(i>>8), byte(i)
		write(t, secret, folder, "many")
		secretOf(t, v, "many")
	}
}

// TestMounted: a folder as Kubernetes mounts a secret has links within it, which are changed to renew it.
func TestMounted(t *testing.T) {
	folder := t.TempDir()
	write(t, bytes.Repeat([]byte{0xf1}, 16), folder, "..2026_01", "k")
	write(t, bytes.Repeat([]byte{0xf2}, 16), folder, "..2026_02", "k")
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(folder, name+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, name+".new"), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..2026_01", "..data")
	link("..data/k", "k")
	v := open(t, folder)
	first := secretOf(t, v, "k")
	link("..2026_02", "..data")
	if second := secretOf(t, v, "k"); bytes.Equal(first, second) {
		t.Error("the secret was renewed, and the old key is used")
	}
}

const planted = "sesame-open-0123"

// TestHostileNames: nothing outside of the folder is read, and nothing that is no file.
func TestHostileNames(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "keys")
	write(t, []byte(planted), parent, "outside")
	write(t, []byte(planted), parent, "keys-too", "k")
	write(t, []byte(planted), folder, "inside")
	for name, to := range map[string]string{
		"absolute": filepath.Join(parent, "outside"), "relative": "../outside", "folder": "../keys-too", "loop": "loop", "dangling": "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{
		"../outside", "..", ".", "", "/", "./inside", "inside/", "inside/x", "//inside", filepath.Join(parent, "outside"), "keys/../../outside",
		"absolute", "relative", "folder/k", "folder", "loop", "dangling", "inside\x00", `..\outside`, strings.Repeat("x", 5000), strings.Repeat("x/", 5000) + "x",
		"../keys-too/k", "../keys/inside",
	}
	if runtime.GOOS != "windows" {
		if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, "pipe") // to open it would wait for a writer
	}
	v := open(t, folder)
	for _, name := range names {
		_, err := v.Encrypt(t.Context(), &crypto.Operation{Key: name, Algorithm: "A128GCM", Nonce: make([]byte, 12)})
		if !errors.Is(err, crypto.ErrKeyNotFound) || strings.Contains(err.Error(), planted) {
			t.Errorf("key %.60q: got error %v, want %v", name, err, crypto.ErrKeyNotFound)
		}
	}
	if _, err := v.PublicKey(t.Context(), "inside"); !errors.Is(err, crypto.ErrKeyNotFound) || !strings.Contains(err.Error(), "symmetric") {
		t.Errorf("the file in the folder: got error %v, want that it is symmetric", err)
	}
}

// TestHostileFiles: files that are no keys are errors that name them, and have nothing of them.
func TestHostileFiles(t *testing.T) {
	folder := t.TempDir()
	for name, data := range map[string]string{
		"a.json": planted, "b.json": `{"kty":"` + planted + `"}`, "c.pem": planted, "d.pem": "-----BEGIN PRIVATE KEY-----\n" + planted + "\n-----END PRIVATE KEY-----",
		"empty": "", "huge": strings.Repeat(planted, localkeys.MaxSize/len(planted)+1), "e.json": strings.Repeat("[", 1<<16), "{.json": "{",
	} {
		write(t, []byte(data), folder, name)
		v := open(t, folder)
		_, err := v.Sign(t.Context(), name, "EdDSA", []byte("x"))
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), folder) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: got error %v, want one that names it and its folder, without what is in it", name, err)
		}
		if kinds := []error{crypto.ErrKeyNotFound, crypto.ErrInvalid}; err != nil && slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }) {
			t.Errorf("%s: got error %v, want the vault's failure", name, err)
		}
	}
}
