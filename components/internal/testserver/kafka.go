package testserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaJars is the folder that setup.sh makes in the user's cache folder.
const kafkaJars = "kafka-4.3.1"

// kafkaPatience is how long a broker may take to start and to be its own cluster's controller.
const kafkaPatience = 4 * time.Minute

// jvm keeps the broker small and quick to start.
var jvm = []string{
	"-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
}

// kafkaConfig is that of a single broker, which is its own controller. Topics have several partitions; what the broker
// keeps for itself has one.
const kafkaConfig = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[1]s
listeners=PLAIN://%[2]s,SASL://%[3]s,TLS://%[4]s,MTLS://%[5]s,CONTROLLER://%[1]s
advertised.listeners=PLAIN://%[2]s,SASL://%[3]s,TLS://%[4]s,MTLS://%[5]s
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,MTLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[6]s="%[7]s";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="server";
ssl.keystore.type=PEM
ssl.keystore.location=%[8]s
ssl.truststore.type=PEM
ssl.truststore.location=%[9]s
listener.name.mtls.ssl.client.auth=required
log.dirs=%[10]s
num.partitions=4
num.network.threads=2
num.io.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
`

// KafkaServer is a running Kafka broker. Topics that it is asked for it makes, with four partitions.
type KafkaServer struct {
	// Addr is host:port for plain connections; SASLAddr wants a user (PLAIN, SCRAM-SHA-256 or -512) or a token whose
	// signature is not checked (OAUTHBEARER); TLSAddr is by TLS, and MTLSAddr by TLS with a client's certificate.
	Addr, SASLAddr, TLSAddr, MTLSAddr string
	// User and Password are those of its one user.
	User, Password string
	// CA, Cert and Key are the authority's certificate, a client's and its key, PEM.
	CA, Cert, Key string
	p             *process
}

// Kafka runs a broker that keeps what it has over Stop and Start. It takes long to start: use Shared. extra are further
// lines of its configuration.
func Kafka(t testing.TB, extra ...string) *KafkaServer {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("a cache folder for Kafka is needed: %v", err)
	}
	jars := filepath.Join(cache, "mrt-wasm-test", kafkaJars)
	if _, err := os.Stat(jars); err != nil {
		t.Fatalf("Kafka is not there: run `make test-setup`: %v", err)
	}
	dir := t.TempDir()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ports := freePorts(t, 5)
	s := &KafkaServer{
		Addr: loopback(ports[0]), SASLAddr: loopback(ports[1]), TLSAddr: loopback(ports[2]), MTLSAddr: loopback(ports[3]),
		User: "shop", Password: "sesame-" + rand.Text(),
	}
	ca := newAuthority(t)
	cert, key := ca.issue(t, "localhost")
	clientCert, clientKey := ca.issue(t, s.User)
	s.CA, s.Cert, s.Key = read(ca.file), read(clientCert), read(clientKey)
	config := write("server.properties", fmt.Sprintf(kafkaConfig, loopback(ports[4]), s.Addr, s.SASLAddr, s.TLSAddr, s.MTLSAddr,
		s.User, s.Password, write("keystore.pem", read(key)+read(cert)), ca.file, filepath.Join(dir, "data"))+
		strings.Join(extra, "\n"))
	java := slices.Concat(jvm, []string{"-cp", filepath.Join(jars, "*")})
	format := slices.Concat(java, []string{"kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", config})
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
	}
	if out, err := exec.Command("java", format...).CombinedOutput(); err != nil {
		t.Fatalf("java is needed, 17 or newer (run `make test-setup`); formatting the folder of Kafka: %v\n%s", err, out)
	}
	s.p = &process{
		t: t, path: "java", install: "default-jre-headless", addr: s.Addr, patience: kafkaPatience,
		args: slices.Concat(java, []string{"kafka.Kafka", config}),
	}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Client gives a client of the broker, which the caller closes.
func (s *KafkaServer) Client(opts ...kgo.Opt) *kgo.Client {
	s.p.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.Addr), kgo.DisableClientMetrics()}, opts...)...)
	if err != nil {
		s.p.t.Fatal(err)
	}
	return client
}

// Start runs the broker again on the same ports and with what it had, after Stop.
func (s *KafkaServer) Start() {
	s.p.t.Helper()
	s.p.start()
	client := s.Client()
	defer client.Close()
	// It listens a little before it is one of its own cluster's brokers.
	for deadline := time.Now().Add(kafkaPatience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		brokers, err := kadm.NewClient(client).ListBrokers(ctx)
		cancel()
		if err == nil && len(brokers) == 1 {
			return
		}
		if time.Now().After(deadline) {
			s.p.t.Fatalf("Kafka on %s does not answer: %v, %v\n%s", s.Addr, brokers, err, s.p.out)
		}
	}
}

// Stop ends the broker; clients see their connections closed.
func (s *KafkaServer) Stop() { s.p.stop() }
