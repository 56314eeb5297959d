package contrib

import (
	pubsubawssnssqs "github.com/dapr/components-contrib/pubsub/aws/snssqs"
	pubsubazureeventhubs "github.com/dapr/components-contrib/pubsub/azure/eventhubs"
	pubsubazureservicebusqueues "github.com/dapr/components-contrib/pubsub/azure/servicebus/queues"
	pubsubazureservicebustopics "github.com/dapr/components-contrib/pubsub/azure/servicebus/topics"
	pubsubgcppubsub "github.com/dapr/components-contrib/pubsub/gcp/pubsub"
	pubsubinmemory "github.com/dapr/components-contrib/pubsub/in-memory"
	pubsubjetstream "github.com/dapr/components-contrib/pubsub/jetstream"
	pubsubkafka "github.com/dapr/components-contrib/pubsub/kafka"
	pubsubkubemq "github.com/dapr/components-contrib/pubsub/kubemq"
	pubsubmqtt3 "github.com/dapr/components-contrib/pubsub/mqtt3"
	pubsubpulsar "github.com/dapr/components-contrib/pubsub/pulsar"
	pubsubrabbitmq "github.com/dapr/components-contrib/pubsub/rabbitmq"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	pubsubrocketmq "github.com/dapr/components-contrib/pubsub/rocketmq"
	pubsubsolaceamqp "github.com/dapr/components-contrib/pubsub/solace/amqp"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// pubsubSpecs are Dapr's components of kind pubsub.
func pubsubSpecs() []component.Spec[pubsub.Broker] {
	return []component.Spec[pubsub.Broker]{
		adapt.PubSub("pubsub.aws.snssqs", pubsubawssnssqs.NewSnsSqs, "pubsub.snssqs"),
		adapt.PubSub("pubsub.azure.eventhubs", pubsubazureeventhubs.NewAzureEventHubs),
		adapt.PubSub("pubsub.azure.servicebus.queues", pubsubazureservicebusqueues.NewAzureServiceBusQueues, "pubsub.azure.servicebusqueues"),
		adapt.PubSub("pubsub.azure.servicebus.topics", pubsubazureservicebustopics.NewAzureServiceBusTopics, "pubsub.azure.servicebus"),
		adapt.PubSub("pubsub.gcp.pubsub", pubsubgcppubsub.NewGCPPubSub),
		adapt.PubSub("pubsub.in-memory", pubsubinmemory.New),
		adapt.PubSub("pubsub.jetstream", pubsubjetstream.NewJetStream),
		adapt.PubSub("pubsub.kafka", pubsubkafka.NewKafka),
		adapt.PubSub("pubsub.kubemq", pubsubkubemq.NewKubeMQ),
		adapt.PubSub("pubsub.mqtt3", pubsubmqtt3.NewMQTTPubSub, "pubsub.mqtt"),
		adapt.PubSub("pubsub.pulsar", pubsubpulsar.NewPulsar),
		adapt.PubSub("pubsub.rabbitmq", pubsubrabbitmq.NewRabbitMQ),
		adapt.PubSub("pubsub.redis", pubsubredis.NewRedisStreams),
		adapt.PubSub("pubsub.rocketmq", pubsubrocketmq.NewRocketMQ),
		adapt.PubSub("pubsub.solace.amqp", pubsubsolaceamqp.NewAMQPPubsub),
	}
}
