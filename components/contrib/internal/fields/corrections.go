package fields

// registered are the types that daprd has under another name than metadata.yaml says.
var registered = map[string]string{
	"bindings.postgres":               "bindings.postgresql",
	"crypto.jwks":                     "crypto.dapr.jwks",
	"crypto.kubernetes.secrets":       "crypto.dapr.kubernetes.secrets",
	"crypto.localstorage":             "crypto.dapr.localstorage",
	"secretstores.aws.secretsmanager": "secretstores.aws.secretmanager",
}

// optional are fields that metadata.yaml calls required, without which the component works nevertheless.
var optional = map[string][]string{
	// Each request may say these in the component's place.
	"bindings.alicloud.oss":        {"objectKey"},
	"bindings.alicloud.sls":        {"project", "logstore", "topic", "source"},
	"bindings.alicloud.tablestore": {"tableName"},
	"bindings.aws.ses":             {"emailFrom", "emailTo", "subject"},
	"bindings.dubbo":               {"interfaceName", "methodName"},
	"bindings.gcp.pubsub":          {"topic"},
	"bindings.kitex":               {"serviceName", "methodName", "destService", "hostPorts"},
	"bindings.localstorage":        {"fileName"},
	"bindings.sftp":                {"rootPath"},
	"bindings.smtp":                {"emailFrom", "emailTo", "subject"},
	"bindings.twilio.sendgrid":     {"emailFrom", "emailTo", "subject"},
	"bindings.twilio.sms":          {"toNumber"},
	// Only one of the two directions asks for these.
	"bindings.azure.cosmosdb": {"partitionKey"},
	"bindings.rocketmq":       {"topics"},
	"pubsub.azure.eventhubs":  {"storageAccountName", "storageContainerName", "consumerID"},
	// The component does not ask for these, or has a default that is not written there.
	"bindings.influx":              {"measurement"},
	"pubsub.jetstream":             {"deliverPolicy"},
	"state.alicloud.tablestore":    {"endpoint", "instanceName", "tableName"},
	"state.hashicorp.consul":       {"datacenter", "httpAddr", "aclToken", "scheme", "keyPrefixPath"},
	"secretstores.hashicorp.vault": {"vaultTokenMountPath", "vaultToken"}, // one of them
}

// aliases are other names that a component takes for what it needs.
var aliases = map[string]map[string][]string{
	"bindings.azure.blobstorage":   azureStorage,
	"bindings.azure.storagequeues": azureStorage,
	"state.azure.blobstorage":      azureStorage,
	"state.azure.tablestorage":     azureStorage,
}

// azureStorage are the names that Azure's storage components share.
var azureStorage = map[string][]string{
	"accountName":   {"storageAccount", "storageAccountName"},
	"accountKey":    {"accessKey", "storageAccessKey", "storageAccountKey"},
	"containerName": {"container", "storageAccountContainer"},
	"queueName":     {"queue", "storageAccountQueue"},
	"tableName":     {"table", "storageAccountTable"},
}

// shared are the ways to sign in that components name and do not describe.
var shared = map[string]struct {
	title string
	ways  []profile
}{
	"aws": {"AWS", []profile{
		{Title: "AWS: Access Key ID and Secret Access Key", Metadata: []field{
			{Name: "region"},
			{Name: "awsRegion"},
			{Name: "accessKey", Sensitive: true},
			{Name: "secretKey", Sensitive: true},
			{Name: "sessionToken", Sensitive: true},
		}},
		{Title: "AWS: Assume IAM Role", Metadata: []field{
			{Name: "region"}, {Name: "assumeRoleArn"}, {Name: "sessionName", Default: "DaprDefaultSession"},
		}},
		{Title: "AWS: IAM Roles Anywhere", Metadata: []field{
			{Name: "trustAnchorArn", Required: true}, {Name: "trustProfileArn", Required: true}, {Name: "assumeRoleArn", Required: true},
		}},
	}},
	"azuread": {"Azure AD", []profile{
		{Title: "Azure AD: Managed identity", Metadata: []field{{Name: "azureClientId"}, azureCloud}},
		{Title: "Azure AD: Client credentials", Metadata: []field{
			{Name: "azureTenantId", Required: true},
			{Name: "azureClientId", Required: true},
			{Name: "azureClientSecret", Required: true, Sensitive: true},
			azureCloud,
		}},
		{Title: "Azure AD: Client certificate", Metadata: []field{
			{Name: "azureTenantId", Required: true},
			{Name: "azureClientId", Required: true},
			{Name: "azureCertificate", Sensitive: true},
			{Name: "azureCertificateFile"},
			{Name: "azureCertificatePassword", Sensitive: true},
			azureCloud,
		}},
	}},
	"gcp": {"GCP: Service Account Key", []profile{
		{Title: "GCP: Service Account Key", Metadata: []field{
			{Name: "type", Allowed: []string{"service_account"}},
			{Name: "projectID", Required: true},
			{Name: "privateKeyID", Required: true, Sensitive: true},
			{Name: "privateKey", Required: true, Sensitive: true},
			{Name: "clientEmail", Required: true},
			{Name: "clientID", Required: true},
			{Name: "authURI"},
			{Name: "tokenURI"},
			{Name: "authProviderX509CertURL"},
			{Name: "clientX509CertURL"},
		}},
	}},
}

var azureCloud = field{
	Name: "azureEnvironment", Default: "AzurePublicCloud",
	Allowed: []string{"AzurePublicCloud", "AzureChinaCloud", "AzureUSGovernmentCloud"},
}
