package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// MosquittoServer is a running Mosquitto, an MQTT server for 3.1.1 and 5. Sessions, and messages that it has acknowledged
// for them, it still has after Stop and Start.
type MosquittoServer struct {
	// Addr is host:port.
	Addr string
	// User and Password are what it wants; empty without.
	User, Password string
	// CA, ClientCert and ClientKey are PEM texts: of the authority of the server's certificate, and of a client that the
	// server trusts; empty without TLS.
	CA, ClientCert, ClientKey string
	p                         *process
	dir                       string
}

// Mosquitto runs a server that lets everybody in. lines are further ones of its configuration.
func Mosquitto(t testing.TB, lines ...string) *MosquittoServer {
	t.Helper()
	return newMosquitto(t, append([]string{"allow_anonymous true"}, lines...))
}

// MosquittoPassword runs a server that wants a user and a password.
func MosquittoPassword(t testing.TB, lines ...string) *MosquittoServer {
	t.Helper()
	const user, password = "tester", "planted-mosquitto-password"
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, []byte(user+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// It replaces passwords by what can be known of them.
	if out, err := exec.CommandContext(t.Context(), mosquittoFile(t, "mosquitto_passwd"), "-U", file).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	s := newMosquitto(t, append([]string{"allow_anonymous false", "password_file " + file}, lines...))
	s.User, s.Password = user, password
	return s
}

// MosquittoTLS runs a server with a certificate for 127.0.0.1 and for serverName, which wants one of its clients.
func MosquittoTLS(t testing.TB, serverName string, lines ...string) *MosquittoServer {
	t.Helper()
	a := newAuthority(t)
	cert, key := a.issue(t, serverName)
	clientCert, clientKey := a.issue(t, "client")
	s := newMosquitto(t, append([]string{
		"allow_anonymous true", "cafile " + a.file, "certfile " + cert, "keyfile " + key, "require_certificate true",
	}, lines...))
	for file, text := range map[string]*string{a.file: &s.CA, clientCert: &s.ClientCert, clientKey: &s.ClientKey} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		*text = string(content)
	}
	return s
}

// MosquittoWebSockets runs a server that speaks MQTT over WebSockets as well, and gives that address.
func MosquittoWebSockets(t testing.TB) (s *MosquittoServer, addr string) {
	t.Helper()
	port := freePorts(t, 1)[0]
	addr = loopback(port)
	s = Mosquitto(t, fmt.Sprintf("listener %d 127.0.0.1", port), "protocol websockets")
	for end := time.Now().Add(startTimeout); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return s, addr
		}
		if time.Now().After(end) {
			t.Fatalf("mosquitto did not accept WebSockets on %s within %s: %v\n%s", addr, startTimeout, err, s.p.out)
		}
	}
}

func newMosquitto(t testing.TB, lines []string) *MosquittoServer {
	t.Helper()
	dir := t.TempDir()
	port := freePorts(t, 1)[0]
	s := &MosquittoServer{Addr: loopback(port), dir: dir}
	config := filepath.Join(dir, "mosquitto.conf")
	text := strings.Join(append([]string{
		fmt.Sprintf("listener %d 127.0.0.1", port),
		"persistence true", "persistence_location " + dir + "/", "autosave_interval 1",
		// By itself it would keep 1,000 messages for a session, and drop more.
		"max_queued_messages 1000000",
		// As root it would else become a user who may not read the folders of tests.
		"user root", "log_type error", "log_type warning", "log_type notice",
	}, lines...), "\n") + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.p = &process{t: t, path: mosquittoFile(t, "mosquitto"), install: "mosquitto", addr: s.Addr, args: []string{"-c", config}}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start runs the server again on the same port and with what it had stored after Stop.
func (s *MosquittoServer) Start() {
	s.p.t.Helper()
	s.p.start()
}

// Stop ends the server; clients see their connections closed.
func (s *MosquittoServer) Stop() { s.p.stop() }

// Forget removes what a stopped server has stored: sessions, and messages for them.
func (s *MosquittoServer) Forget() {
	s.p.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, "mosquitto.db")); err != nil {
		s.p.t.Fatal(err)
	}
}

// mosquittoFile finds a program, which may be in a folder that only an administrator's path has.
func mosquittoFile(t testing.TB, name string) string {
	t.Helper()
	for _, file := range []string{name, "/usr/sbin/" + name, "/opt/homebrew/sbin/" + name, "/usr/local/sbin/" + name} {
		if bin, err := exec.LookPath(file); err == nil {
			return bin
		}
	}
	t.Fatalf("%s is not installed: run `make test-setup`, or `apt-get install mosquitto`", name)
	return ""
}
