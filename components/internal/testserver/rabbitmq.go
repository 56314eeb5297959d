package testserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbitPatience is how long a RabbitMQ server may take to start: it is slow even on an idle machine.
const rabbitPatience = 4 * time.Minute

// rabbitBin is where the package has the server's own script; what it puts on the path wants to be root or the service's
// user.
const rabbitBin = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// rabbitScript runs the port mapper that a node needs, of its own and by its own id, and the node, until it is told to
// end.
const rabbitScript = `
PATH="$PATH:/usr/sbin:/sbin"
epmd -address 127.0.0.1 & mapper=$!
"$0" & node=$!
trap 'kill "$node"' TERM
wait "$node" # ends early when the signal comes
wait "$node"
kill "$mapper"
wait "$mapper"
`

// RabbitMQServer is a running RabbitMQ node.
type RabbitMQServer struct {
	// Addr and TLSAddr are host:port for plain connections and for TLS.
	Addr, TLSAddr string
	// User and Password are those of its one user, who may do everything in the virtual host "/".
	User, Password string
	// CAFile has the certificate of the authority of the server's own one and of the client's, PEM.
	CAFile string
	// CertFile and KeyFile are a client's certificate, by which the server knows User (SASL EXTERNAL), PEM.
	CertFile, KeyFile string
	p                 *process
	env               []string
	pidFile           string
}

// RabbitMQ runs a RabbitMQ node that keeps durable queues and their persistent messages over Stop and Start. It takes
// long to start: use Shared.
func RabbitMQ(t testing.TB) *RabbitMQServer {
	t.Helper()
	bin := rabbitBin
	if _, err := os.Stat(bin); err != nil {
		bin = "rabbitmq-server" // where other systems have it
	}
	ports := freePorts(t, 4)
	s := &RabbitMQServer{Addr: loopback(ports[0]), TLSAddr: loopback(ports[1]), User: "shop", Password: "sesame-" + rand.Text()}
	dir := t.TempDir()
	ca := newAuthority(t)
	s.CAFile = ca.file
	cert, key := ca.issue(t, "localhost")
	s.CertFile, s.KeyFile = ca.issue(t, s.User)
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := write("rabbitmq.conf", fmt.Sprintf(`
listeners.tcp.default = %s
listeners.ssl.default = %s
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
default_user = %s
default_pass = %s
disk_free_limit.absolute = 1MB
log.console.level = warning
`, s.Addr, s.TLSAddr, s.CAFile, cert, key, s.User, s.Password))
	s.pidFile = filepath.Join(dir, "pid")
	s.env = []string{
		"HOME=" + dir, "RABBITMQ_PID_FILE=" + s.pidFile, "RABBITMQ_CONF_ENV_FILE=" + write("env.conf", ""), "RABBITMQ_CONFIG_FILE=" + config,
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + write("plugins", "[rabbitmq_auth_mechanism_ssl].\n"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"), "RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"), "RABBITMQ_LOGS=-",
		"RABBITMQ_NODENAME=test@localhost", "RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[2]),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT=" + strconv.Itoa(ports[3]),
	}
	s.p = &process{
		t: t, path: "env", install: "rabbitmq-server", addr: s.Addr, patience: rabbitPatience,
		args: append(slices.Clone(s.env), "sh", "-c", rabbitScript, bin),
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// URL is amqp://user:password@host:port.
func (s *RabbitMQServer) URL() string {
	return fmt.Sprintf("amqp://%s:%s@%s", s.User, s.Password, s.Addr)
}

// Start runs the node again on the same ports and with what it had, after Stop.
func (s *RabbitMQServer) Start() {
	s.p.t.Helper()
	s.p.start()
	// It listens a little before it takes users.
	for deadline := time.Now().Add(rabbitPatience); ; time.Sleep(50 * time.Millisecond) {
		conn, err := amqp.Dial(s.URL())
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.p.t.Fatalf("RabbitMQ on %s takes no connections: %v\n%s", s.Addr, err, s.p.out)
		}
	}
}

// Control runs rabbitmqctl, for example with "set_vm_memory_high_watermark", "0".
func (s *RabbitMQServer) Control(args ...string) {
	t := s.p.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rabbitPatience)
	defer cancel()
	ctl := filepath.Join(filepath.Dir(rabbitBin), "rabbitmqctl")
	if _, err := os.Stat(ctl); err != nil {
		ctl = "rabbitmqctl"
	}
	cmd := exec.CommandContext(ctx, ctl, args...)
	cmd.Env = append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rabbitmqctl %v: %v\n%s", args, err, out)
	}
}

// Stop ends the node; clients see their connections closed.
func (s *RabbitMQServer) Stop() { s.p.stop() }

// Kill ends the node without giving it time to write anything down.
func (s *RabbitMQServer) Kill() {
	t := s.p.t
	t.Helper()
	text, err := os.ReadFile(s.pidFile)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("the node's process id: %v", err)
	}
	node, err := os.FindProcess(id)
	if err == nil {
		err = node.Kill()
	}
	if err != nil {
		t.Fatalf("killing the node: %v", err)
	}
	s.Stop()
}
