package contrib

import (
	contrib "github.com/dapr/components-contrib/state"
	stateaerospike "github.com/dapr/components-contrib/state/aerospike"
	statealicloudtablestore "github.com/dapr/components-contrib/state/alicloud/tablestore"
	stateawsdynamodb "github.com/dapr/components-contrib/state/aws/dynamodb"
	stateazureblobstoragev1 "github.com/dapr/components-contrib/state/azure/blobstorage/v1"
	stateazureblobstoragev2 "github.com/dapr/components-contrib/state/azure/blobstorage/v2"
	stateazurecosmosdb "github.com/dapr/components-contrib/state/azure/cosmosdb"
	stateazuretablestorage "github.com/dapr/components-contrib/state/azure/tablestorage"
	statecassandra "github.com/dapr/components-contrib/state/cassandra"
	statecloudflareworkerskv "github.com/dapr/components-contrib/state/cloudflare/workerskv"
	statecockroachdb "github.com/dapr/components-contrib/state/cockroachdb"
	statecoherence "github.com/dapr/components-contrib/state/coherence"
	statecouchbase "github.com/dapr/components-contrib/state/couchbase"
	stateetcd "github.com/dapr/components-contrib/state/etcd"
	stategcpfirestore "github.com/dapr/components-contrib/state/gcp/firestore"
	statehashicorpconsul "github.com/dapr/components-contrib/state/hashicorp/consul"
	statehazelcast "github.com/dapr/components-contrib/state/hazelcast"
	stateinmemory "github.com/dapr/components-contrib/state/in-memory"
	statejetstream "github.com/dapr/components-contrib/state/jetstream"
	statememcached "github.com/dapr/components-contrib/state/memcached"
	statemongodb "github.com/dapr/components-contrib/state/mongodb"
	statemysql "github.com/dapr/components-contrib/state/mysql"
	stateociobjectstorage "github.com/dapr/components-contrib/state/oci/objectstorage"
	stateoracledatabase "github.com/dapr/components-contrib/state/oracledatabase"
	statepostgresqlv1 "github.com/dapr/components-contrib/state/postgresql/v1"
	statepostgresqlv2 "github.com/dapr/components-contrib/state/postgresql/v2"
	stateravendb "github.com/dapr/components-contrib/state/ravendb"
	stateredis "github.com/dapr/components-contrib/state/redis"
	staterethinkdb "github.com/dapr/components-contrib/state/rethinkdb"
	statesqlite "github.com/dapr/components-contrib/state/sqlite"
	statesqlserver "github.com/dapr/components-contrib/state/sqlserver"
	statesqlserverv2 "github.com/dapr/components-contrib/state/sqlserver/v2"
	statezookeeper "github.com/dapr/components-contrib/state/zookeeper"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// stateSpecs are Dapr's components of kind state.
func stateSpecs() []component.Spec[state.Store] {
	return []component.Spec[state.Store]{
		adapt.State("state.aerospike", stateaerospike.NewAerospikeStateStore),
		adapt.State("state.alicloud.tablestore", statealicloudtablestore.NewAliCloudTableStore),
		adapt.State("state.aws.dynamodb", stateawsdynamodb.NewDynamoDBStateStore),
		adapt.StateVersions("state.azure.blobstorage", adapt.Stores{"v1": stateazureblobstoragev1.NewAzureBlobStorageStore, "v2": stateazureblobstoragev2.NewAzureBlobStorageStore}),
		adapt.State("state.azure.cosmosdb", stateazurecosmosdb.NewCosmosDBStateStore),
		adapt.State("state.azure.tablestorage", stateazuretablestorage.NewAzureTablesStateStore),
		adapt.State("state.cassandra", statecassandra.NewCassandraStateStore),
		adapt.State("state.cloudflare.workerskv", statecloudflareworkerskv.NewCFWorkersKV),
		adapt.StateVersions("state.cockroachdb", adapt.Stores{"v1": statecockroachdb.New, "v2": cockroachV2}),
		adapt.State("state.coherence", statecoherence.NewCoherenceStateStore),
		adapt.State("state.couchbase", statecouchbase.NewCouchbaseStateStore),
		adapt.StateVersions("state.etcd", adapt.Stores{"v1": stateetcd.NewEtcdStateStoreV1, "v2": stateetcd.NewEtcdStateStoreV2}),
		adapt.State("state.gcp.firestore", stategcpfirestore.NewFirestoreStateStore),
		adapt.State("state.hashicorp.consul", statehashicorpconsul.NewConsulStateStore, "state.consul"),
		adapt.State("state.hazelcast", statehazelcast.NewHazelcastStore),
		adapt.State("state.in-memory", stateinmemory.NewInMemoryStateStore),
		adapt.State("state.jetstream", statejetstream.NewJetstreamStateStore),
		adapt.State("state.memcached", statememcached.NewMemCacheStateStore),
		adapt.State("state.mongodb", statemongodb.NewMongoDB),
		adapt.State("state.mysql", statemysql.NewMySQLStateStore),
		adapt.State("state.oci.objectstorage", stateociobjectstorage.NewOCIObjectStorageStore),
		adapt.State("state.oracledatabase", stateoracledatabase.NewOracleDatabaseStateStore),
		adapt.StateVersions("state.postgresql", adapt.Stores{"v1": statepostgresqlv1.NewPostgreSQLStateStore, "v2": statepostgresqlv2.NewPostgreSQLStateStore}, "state.postgres", "state.yugabytedb", "state.yugabyte"),
		adapt.State("state.ravendb", stateravendb.NewRavenDB),
		adapt.State("state.redis", stateredis.NewRedisStateStore),
		adapt.State("state.rethinkdb", staterethinkdb.NewRethinkDBStateStore),
		adapt.State("state.sqlite", statesqlite.NewSQLiteStateStore, "state.sqlite3"),
		adapt.StateVersions("state.sqlserver", adapt.Stores{"v1": statesqlserver.New, "v2": statesqlserverv2.New}),
		adapt.State("state.zookeeper", statezookeeper.NewZookeeperStateStore),
	}
}

// cockroachV2 is the second layout of CockroachDB, which is that of PostgreSQL.
func cockroachV2(log logger.Logger) contrib.Store {
	return statepostgresqlv2.NewPostgreSQLStateStoreWithOptions(log, statepostgresqlv2.Options{NoAzureAD: true, NoAWSIAM: true})
}
