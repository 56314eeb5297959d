package bench

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// BenchmarkStart measures from the start of the binary to /readyz, with nothing compiled yet (cold) and with the
// compiled code on disk (warm), for one app. Give it -benchtime 3x.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	bin := filepath.Join(dir, "mrt-wasm")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/mrt-wasm").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	text := "apiVersion: mrt-wasm.dev/v1alpha1\nkind: App\nmetadata: {name: hello}\nspec: {source: {wasm: hello.wasm}}\n"
	for name, content := range map[string][]byte{"m.yaml": []byte(text), "hello.wasm": enginetest.Build(b, "testdata/hello")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var cold, warm time.Duration
	for range b.N {
		data := b.TempDir()
		cold += ready(b, bin, filepath.Join(dir, "m.yaml"), data)
		warm += ready(b, bin, filepath.Join(dir, "m.yaml"), data)
	}
	b.ReportMetric(cold.Seconds()/float64(b.N), "s-cold")
	b.ReportMetric(warm.Seconds()/float64(b.N), "s-warm")
	b.ReportMetric(0, "ns/op")
}

func ready(b *testing.B, bin, manifest, data string) time.Duration {
	b.Helper()
	front, api := free(b), free(b)
	cmd := exec.Command(bin, "run", manifest, "--data", data, "--http", front, "--api", api, "--watch=false")
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("mrt-wasm: %v", err)
		}
	}()
	for time.Since(began) < 2*time.Minute {
		resp, err := http.Get("http://" + api + "/readyz")
		if err == nil {
			if err := resp.Body.Close(); err != nil {
				b.Fatal(err)
			}
			if resp.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.Fatal("the host is not ready after 2 minutes")
	return 0
}

func free(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	return l.Addr().String()
}
