package manifest

import "time"

// Pipeline is a list of middleware.
type Pipeline struct {
	Object
	Handlers []PipelineHandler `yaml:"handlers" doc:"middleware in order"`
}

// PipelineHandler is one middleware of a Pipeline.
type PipelineHandler struct {
	Object
	Name     string    `yaml:"name,required" doc:"name of a middleware.* component"`
	Type     string    `yaml:"type,required" check:"componentType" doc:"its type"`
	Version  string    `yaml:"version" doc:"its version"`
	Selector *Selector `yaml:"selector" doc:"when it applies"`
}

// Selector is PipelineHandler.selector.
type Selector struct {
	Object
	Fields []SelectorField `yaml:"fields" doc:"all must be equal"`
}

// SelectorField is one of Selector.fields.
type SelectorField struct {
	Object
	Field string `yaml:"field,required" doc:"the field"`
	Value string `yaml:"value" doc:"its value"`
}

// MTLS is Configuration.spec.mtls.
type MTLS struct {
	Object
	Enabled                 *bool            `yaml:"enabled" doc:"turn it on"`
	WorkloadCertTTL         time.Duration    `yaml:"workloadCertTTL,positive" doc:"life of certificates"`
	AllowedClockSkew        time.Duration    `yaml:"allowedClockSkew" doc:"how far clocks may differ"`
	SentryAddress           string           `yaml:"sentryAddress" doc:"address of the authority"`
	ControlPlaneTrustDomain string           `yaml:"controlPlaneTrustDomain" doc:"trust domain of the control plane"`
	TokenValidators         []TokenValidator `yaml:"tokenValidators" doc:"how tokens are checked"`
}

// TokenValidator is one of Configuration.spec.mtls.tokenValidators.
type TokenValidator struct {
	Object
	Name    string `yaml:"name,required" enum:"jwks" doc:"the kind of validator"`
	Options any    `yaml:"options" doc:"its settings"`
}

// SecretsSpec is Configuration.spec.secrets.
type SecretsSpec struct {
	Object
	Scopes []SecretsScope `yaml:"scopes" doc:"one a store"`
}

// SecretsScope is one of Configuration.spec.secrets.scopes.
type SecretsScope struct {
	Object
	StoreName      string   `yaml:"storeName,required" doc:"the secret store"`
	DefaultAccess  string   `yaml:"defaultAccess" enum:"allow,deny" default:"allow" doc:"for secrets that are not listed"`
	AllowedSecrets []string `yaml:"allowedSecrets" doc:"when not empty, only these"`
	DeniedSecrets  []string `yaml:"deniedSecrets" doc:"never these"`
}

// AccessControl is Configuration.spec.accessControl.
type AccessControl struct {
	Object
	DefaultAction string         `yaml:"defaultAction" enum:"allow,deny" doc:"for apps that no policy names"`
	TrustDomain   string         `yaml:"trustDomain" doc:"this host's trust domain; default public"`
	Policies      []AccessPolicy `yaml:"policies" doc:"one a calling app"`
}

// AccessPolicy is one of Configuration.spec.accessControl.policies.
type AccessPolicy struct {
	Object
	AppID         string            `yaml:"appId,required" doc:"the calling app"`
	DefaultAction string            `yaml:"defaultAction" enum:"allow,deny" doc:"for operations that are not listed"`
	TrustDomain   string            `yaml:"trustDomain" doc:"the caller's trust domain"`
	Namespace     string            `yaml:"namespace" doc:"the caller's namespace"`
	Operations    []AccessOperation `yaml:"operations" doc:"operations of the called app"`
}

// AccessOperation is one of AccessPolicy.operations.
type AccessOperation struct {
	Object
	Name     string   `yaml:"name,required" doc:"method path, with /* or /** at its end"`
	HTTPVerb []string `yaml:"httpVerb" check:"verb" doc:"verbs, * for all"`
	Action   string   `yaml:"action,required" enum:"allow,deny" doc:"what happens"`
}

// NameResolution is Configuration.spec.nameResolution.
type NameResolution struct {
	Object
	Component     string `yaml:"component" doc:"the resolver"`
	Version       string `yaml:"version" doc:"its version"`
	Configuration any    `yaml:"configuration" doc:"its settings"`
}

// API is Configuration.spec.api.
type API struct {
	Object
	Allowed []APIRule `yaml:"allowed" doc:"when not empty, only these"`
	Denied  []APIRule `yaml:"denied" doc:"never these"`
}

// APIRule names a part of the API.
type APIRule struct {
	Object
	Name     string `yaml:"name,required" doc:"the group, for example state"`
	Version  string `yaml:"version,required" doc:"its version, for example v1.0"`
	Protocol string `yaml:"protocol" enum:"http,grpc" doc:"http, grpc, or both when missing"`
}

// ComponentsSpec is Configuration.spec.components.
type ComponentsSpec struct {
	Object
	Deny []string `yaml:"deny" doc:"component types that are refused: state.redis, or state.redis/v1"`
}

// WasmSpec is Configuration.spec.wasm.
type WasmSpec struct {
	Object
	StrictSandbox *bool `yaml:"strictSandbox" doc:"no clocks or randomness for wasm components"`
}

// Feature is one of Configuration.spec.features.
type Feature struct {
	Object
	Name    string `yaml:"name,required" doc:"the feature"`
	Enabled bool   `yaml:"enabled" doc:"turn it on"`
}

// Workflow is Configuration.spec.workflow.
type Workflow struct {
	Object
	MaxConcurrentWorkflowInvocations       int                `yaml:"maxConcurrentWorkflowInvocations" min:"0" doc:"workflows at one time on a host"`
	MaxConcurrentActivityInvocations       int                `yaml:"maxConcurrentActivityInvocations" min:"0" doc:"activities at one time on a host"`
	GlobalMaxConcurrentWorkflowInvocations int                `yaml:"globalMaxConcurrentWorkflowInvocations" min:"0" doc:"workflows at one time on all hosts"`
	GlobalMaxConcurrentActivityInvocations int                `yaml:"globalMaxConcurrentActivityInvocations" min:"0" doc:"activities at one time on all hosts"`
	WorkflowConcurrencyLimits              []ConcurrencyLimit `yaml:"workflowConcurrencyLimits" doc:"limits by workflow"`
	ActivityConcurrencyLimits              []ConcurrencyLimit `yaml:"activityConcurrencyLimits" doc:"limits by activity"`
	StateRetentionPolicy                   *RetentionPolicy   `yaml:"stateRetentionPolicy" doc:"how long ended workflows are kept"`
}

// ConcurrencyLimit is the limit of one workflow or activity.
type ConcurrencyLimit struct {
	Object
	Name          string `yaml:"name,required" doc:"the workflow or activity"`
	MaxConcurrent int    `yaml:"maxConcurrent,required" min:"1" doc:"how many at one time"`
}

// RetentionPolicy is Configuration.spec.workflow.stateRetentionPolicy.
type RetentionPolicy struct {
	Object
	AnyTerminal time.Duration `yaml:"anyTerminal" doc:"for all"`
	Completed   time.Duration `yaml:"completed" doc:"for completed ones"`
	Failed      time.Duration `yaml:"failed" doc:"for failed ones"`
	Terminated  time.Duration `yaml:"terminated" doc:"for terminated ones"`
}
