package conformance

import (
	"os"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

// What takes long to start is started once, by the first test that needs it.
var (
	kafka = sync.OnceValue(func() *testserver.KafkaServer {
		return testserver.Kafka(testserver.Shared, "num.partitions=1") // so that a topic has one order
	})
	mariaDB  = sync.OnceValue(func() *testserver.MariaDBServer { return testserver.MariaDB(testserver.Shared) })
	rabbitMQ = sync.OnceValue(func() *testserver.RabbitMQServer { return testserver.RabbitMQ(testserver.Shared) })
)
