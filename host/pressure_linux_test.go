package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSystemMemory(t *testing.T) {
	available, total, ok := memory()
	if !ok || available <= 0 || available > total {
		t.Errorf("got %d of %d, %v; want some of some", available, total, ok)
	}
	if _, _, ok := systemMemory(filepath.Join(t.TempDir(), "none")); ok {
		t.Error("a file that is not there gives memory")
	}
}

func TestGroupMemory(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name             string
		files            map[string]string
		available, total int64
		ok               bool
	}{
		{"limited", map[string]string{"memory.max": "104857600\n", "memory.current": "94371840\n"}, 10 * mib, 100 * mib, true},
		{"with file cache", map[string]string{
			"memory.max": "104857600\n", "memory.current": "94371840\n", "memory.stat": "anon 1\ninactive_file 20971520\n",
		}, 30 * mib, 100 * mib, true},
		{"no limit", map[string]string{"memory.max": "max\n", "memory.current": "1\n"}, 0, 0, false},
		{"none", nil, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			available, total, ok := groupMemory(dir)
			if available != tt.available || total != tt.total || ok != tt.ok {
				t.Errorf("got %d of %d, %v; want %d of %d, %v", available, total, ok, tt.available, tt.total, tt.ok)
			}
		})
	}
}
