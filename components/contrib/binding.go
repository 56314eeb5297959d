package contrib

import (
	bindingsaliclouddingtalkwebhook "github.com/dapr/components-contrib/bindings/alicloud/dingtalk/webhook"
	bindingsalicloudoss "github.com/dapr/components-contrib/bindings/alicloud/oss"
	bindingsalicloudsls "github.com/dapr/components-contrib/bindings/alicloud/sls"
	bindingsalicloudtablestore "github.com/dapr/components-contrib/bindings/alicloud/tablestore"
	bindingsapns "github.com/dapr/components-contrib/bindings/apns"
	bindingsawsdynamodb "github.com/dapr/components-contrib/bindings/aws/dynamodb"
	bindingsawskinesis "github.com/dapr/components-contrib/bindings/aws/kinesis"
	bindingsawss3 "github.com/dapr/components-contrib/bindings/aws/s3"
	bindingsawsses "github.com/dapr/components-contrib/bindings/aws/ses"
	bindingsawssns "github.com/dapr/components-contrib/bindings/aws/sns"
	bindingsawssqs "github.com/dapr/components-contrib/bindings/aws/sqs"
	bindingsazureblobstorage "github.com/dapr/components-contrib/bindings/azure/blobstorage"
	bindingsazurecosmosdb "github.com/dapr/components-contrib/bindings/azure/cosmosdb"
	bindingsazurecosmosdbgremlinapi "github.com/dapr/components-contrib/bindings/azure/cosmosdb/gremlinapi"
	bindingsazureeventgrid "github.com/dapr/components-contrib/bindings/azure/eventgrid"
	bindingsazureeventhubs "github.com/dapr/components-contrib/bindings/azure/eventhubs"
	bindingsazureopenai "github.com/dapr/components-contrib/bindings/azure/openai"
	bindingsazureservicebusqueues "github.com/dapr/components-contrib/bindings/azure/servicebusqueues"
	bindingsazuresignalr "github.com/dapr/components-contrib/bindings/azure/signalr"
	bindingsazurestoragequeues "github.com/dapr/components-contrib/bindings/azure/storagequeues"
	bindingscloudflarequeues "github.com/dapr/components-contrib/bindings/cloudflare/queues"
	bindingscommercetools "github.com/dapr/components-contrib/bindings/commercetools"
	bindingscron "github.com/dapr/components-contrib/bindings/cron"
	bindingsdubbo "github.com/dapr/components-contrib/bindings/dubbo"
	bindingsgcpbucket "github.com/dapr/components-contrib/bindings/gcp/bucket"
	bindingsgcppubsub "github.com/dapr/components-contrib/bindings/gcp/pubsub"
	bindingsgraphql "github.com/dapr/components-contrib/bindings/graphql"
	bindingshttp "github.com/dapr/components-contrib/bindings/http"
	bindingshuaweiobs "github.com/dapr/components-contrib/bindings/huawei/obs"
	bindingsinflux "github.com/dapr/components-contrib/bindings/influx"
	bindingskafka "github.com/dapr/components-contrib/bindings/kafka"
	bindingskitex "github.com/dapr/components-contrib/bindings/kitex"
	bindingskubemq "github.com/dapr/components-contrib/bindings/kubemq"
	bindingskubernetes "github.com/dapr/components-contrib/bindings/kubernetes"
	bindingslocalstorage "github.com/dapr/components-contrib/bindings/localstorage"
	bindingsmqtt3 "github.com/dapr/components-contrib/bindings/mqtt3"
	bindingsmysql "github.com/dapr/components-contrib/bindings/mysql"
	bindingspostgres "github.com/dapr/components-contrib/bindings/postgres"
	bindingspostmark "github.com/dapr/components-contrib/bindings/postmark"
	bindingsrabbitmq "github.com/dapr/components-contrib/bindings/rabbitmq"
	bindingsredis "github.com/dapr/components-contrib/bindings/redis"
	bindingsrethinkdbstatechange "github.com/dapr/components-contrib/bindings/rethinkdb/statechange"
	bindingsrocketmq "github.com/dapr/components-contrib/bindings/rocketmq"
	bindingssftp "github.com/dapr/components-contrib/bindings/sftp"
	bindingssmtp "github.com/dapr/components-contrib/bindings/smtp"
	bindingstwiliosendgrid "github.com/dapr/components-contrib/bindings/twilio/sendgrid"
	bindingstwiliosms "github.com/dapr/components-contrib/bindings/twilio/sms"
	bindingswasm "github.com/dapr/components-contrib/bindings/wasm"
	bindingszeebecommand "github.com/dapr/components-contrib/bindings/zeebe/command"
	bindingszeebejobworker "github.com/dapr/components-contrib/bindings/zeebe/jobworker"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// bindingSpecs are Dapr's components of kind bindings.
func bindingSpecs() []component.Spec[binding.Binding] {
	return []component.Spec[binding.Binding]{
		adapt.InputOutput("bindings.alicloud.dingtalk.webhook", bindingsaliclouddingtalkwebhook.NewDingTalkWebhook, "bindings.dingtalk.webhook"),
		adapt.Output("bindings.alicloud.oss", bindingsalicloudoss.NewAliCloudOSS),
		adapt.Output("bindings.alicloud.sls", bindingsalicloudsls.NewAliCloudSlsLogstorage),
		adapt.Output("bindings.alicloud.tablestore", bindingsalicloudtablestore.NewAliCloudTableStore),
		adapt.Output("bindings.apns", bindingsapns.NewAPNS),
		adapt.Output("bindings.aws.dynamodb", bindingsawsdynamodb.NewDynamoDB),
		adapt.InputOutput("bindings.aws.kinesis", bindingsawskinesis.NewAWSKinesis),
		adapt.Output("bindings.aws.s3", bindingsawss3.NewAWSS3),
		adapt.Output("bindings.aws.ses", bindingsawsses.NewAWSSES),
		adapt.Output("bindings.aws.sns", bindingsawssns.NewAWSSNS),
		adapt.InputOutput("bindings.aws.sqs", bindingsawssqs.NewAWSSQS),
		adapt.Output("bindings.azure.blobstorage", bindingsazureblobstorage.NewAzureBlobStorage),
		adapt.Output("bindings.azure.cosmosdb", bindingsazurecosmosdb.NewCosmosDB),
		adapt.Output("bindings.azure.cosmosdb.gremlinapi", bindingsazurecosmosdbgremlinapi.NewCosmosDBGremlinAPI),
		adapt.InputOutput("bindings.azure.eventgrid", bindingsazureeventgrid.NewAzureEventGrid),
		adapt.InputOutput("bindings.azure.eventhubs", bindingsazureeventhubs.NewAzureEventHubs),
		adapt.Output("bindings.azure.openai", bindingsazureopenai.NewOpenAI),
		adapt.InputOutput("bindings.azure.servicebus.queues", bindingsazureservicebusqueues.NewAzureServiceBusQueues, "bindings.azure.servicebusqueues"),
		adapt.Output("bindings.azure.signalr", bindingsazuresignalr.NewSignalR),
		adapt.InputOutput("bindings.azure.storagequeues", bindingsazurestoragequeues.NewAzureStorageQueues),
		adapt.Output("bindings.cloudflare.queues", bindingscloudflarequeues.NewCFQueues),
		adapt.Output("bindings.commercetools", bindingscommercetools.NewCommercetools),
		adapt.Input("bindings.cron", bindingscron.NewCron),
		adapt.Output("bindings.dubbo", bindingsdubbo.NewDubboOutput, "bindings.alicloud.dubbo"),
		adapt.Output("bindings.gcp.bucket", bindingsgcpbucket.NewGCPStorage),
		adapt.InputOutput("bindings.gcp.pubsub", bindingsgcppubsub.NewGCPPubSub),
		adapt.Output("bindings.graphql", bindingsgraphql.NewGraphQL),
		adapt.Output("bindings.http", bindingshttp.NewHTTP),
		adapt.Output("bindings.huawei.obs", bindingshuaweiobs.NewHuaweiOBS),
		adapt.Output("bindings.influx", bindingsinflux.NewInflux),
		adapt.InputOutput("bindings.kafka", bindingskafka.NewKafka),
		adapt.Output("bindings.kitex", bindingskitex.NewKitexOutput),
		adapt.InputOutput("bindings.kubemq", bindingskubemq.NewKubeMQ),
		adapt.Input("bindings.kubernetes", bindingskubernetes.NewKubernetes),
		adapt.Output("bindings.localstorage", bindingslocalstorage.NewLocalStorage),
		adapt.InputOutput("bindings.mqtt3", bindingsmqtt3.NewMQTT, "bindings.mqtt"),
		adapt.Output("bindings.mysql", bindingsmysql.NewMysql),
		adapt.Output("bindings.postgresql", bindingspostgres.NewPostgres, "bindings.postgres"),
		adapt.Output("bindings.postmark", bindingspostmark.NewPostmark),
		adapt.InputOutput("bindings.rabbitmq", bindingsrabbitmq.NewRabbitMQ),
		adapt.Output("bindings.redis", bindingsredis.NewRedis),
		adapt.Input("bindings.rethinkdb.statechange", bindingsrethinkdbstatechange.NewRethinkDBStateChangeBinding),
		adapt.InputOutput("bindings.rocketmq", bindingsrocketmq.NewRocketMQ),
		adapt.Output("bindings.sftp", bindingssftp.NewSftp),
		adapt.Output("bindings.smtp", bindingssmtp.NewSMTP),
		adapt.Output("bindings.twilio.sendgrid", bindingstwiliosendgrid.NewSendGrid),
		adapt.Output("bindings.twilio.sms", bindingstwiliosms.NewSMS),
		adapt.Output("bindings.wasm", bindingswasm.NewWasmOutput),
		adapt.Output("bindings.zeebe.command", bindingszeebecommand.NewZeebeCommand),
		adapt.Input("bindings.zeebe.jobworker", bindingszeebejobworker.NewZeebeJobWorker),
	}
}
