package manifest

import "time"

// Resiliency declares policies and what they are for, as Dapr's kind of this name does. Policies of all Resiliency
// objects share one set of names.
type Resiliency struct {
	Header
	Spec   ResiliencySpec `yaml:"spec,required" doc:"policies and targets"`
	Scopes []string       `yaml:"scopes" doc:"the apps whose calls it is for; all when empty"`
}

// ResiliencySpec is Resiliency.spec.
type ResiliencySpec struct {
	Object
	Policies Policies `yaml:"policies" doc:"named policies; names such as DefaultRetryPolicy apply by themselves"`
	Targets  Targets  `yaml:"targets" doc:"what the policies are for"`
}

// Policies is Resiliency.spec.policies.
type Policies struct {
	Object
	Timeouts        map[string]time.Duration  `yaml:"timeouts" doc:"name: duration"`
	Retries         map[string]Retry          `yaml:"retries" doc:"name: retry policy"`
	CircuitBreakers map[string]CircuitBreaker `yaml:"circuitBreakers" doc:"name: circuit breaker policy"`
}

// Retry is a retry policy.
type Retry struct {
	Object
	Policy      string        `yaml:"policy" enum:"constant,exponential" default:"constant" doc:"exponential starts at 500ms and grows by 1.5, give or take a half"`
	Duration    time.Duration `yaml:"duration" default:"5s" doc:"pause of the constant policy"`
	MaxInterval time.Duration `yaml:"maxInterval" default:"60s" doc:"longest pause of the exponential policy"`
	MaxRetries  int           `yaml:"maxRetries" default:"-1" min:"-1" doc:"-1 is forever"`
	Matching    *Matching     `yaml:"matching" doc:"retry only these; all when missing"`
}

// Matching says which failures are retried.
type Matching struct {
	Object
	HTTPStatusCodes string `yaml:"httpStatusCodes" check:"httpCodes" doc:"for example 429,500-599"`
	GRPCStatusCodes string `yaml:"gRPCStatusCodes" check:"grpcCodes" doc:"for example 1,13-14"`
}

// CircuitBreaker is a circuit breaker policy.
type CircuitBreaker struct {
	Object
	MaxRequests int           `yaml:"maxRequests" default:"1" min:"1" doc:"calls let through while half open"`
	Interval    time.Duration `yaml:"interval" default:"0s" doc:"counts are cleared this often while closed; 0 is never"`
	Timeout     time.Duration `yaml:"timeout" default:"60s" doc:"time from open to half open"`
	Trip        string        `yaml:"trip" check:"celTrip" default:"consecutiveFailures > 5" doc:"a CEL expression over requests, totalSuccesses, totalFailures, consecutiveSuccesses, consecutiveFailures"`
}

// Targets is Resiliency.spec.targets.
type Targets struct {
	Object
	Apps       map[string]AppTarget       `yaml:"apps" doc:"app or HTTPEndpoint: policies"`
	Actors     map[string]ActorTarget     `yaml:"actors" doc:"actor type: policies"`
	Components map[string]ComponentTarget `yaml:"components" doc:"component: policies"`
}

// AppTarget names the policies of calls to an app.
type AppTarget struct {
	Object
	Timeout                 string `yaml:"timeout" doc:"name of a timeout"`
	Retry                   string `yaml:"retry" doc:"name of a retry policy"`
	CircuitBreaker          string `yaml:"circuitBreaker" doc:"name of a circuit breaker"`
	CircuitBreakerCacheSize int    `yaml:"circuitBreakerCacheSize" default:"100" min:"1" doc:"circuit breakers kept at most"`
}

// ActorTarget names the policies of calls to actors of a type.
type ActorTarget struct {
	Object
	Timeout                 string `yaml:"timeout" doc:"name of a timeout"`
	Retry                   string `yaml:"retry" doc:"name of a retry policy"`
	CircuitBreaker          string `yaml:"circuitBreaker" doc:"name of a circuit breaker"`
	CircuitBreakerScope     string `yaml:"circuitBreakerScope" enum:"type,id,both" default:"type" doc:"one circuit breaker a type, an id, or both"`
	CircuitBreakerCacheSize int    `yaml:"circuitBreakerCacheSize" default:"5000" min:"1" doc:"circuit breakers kept at most"`
}

// ComponentTarget names the policies of calls to a component, and of its calls to apps.
type ComponentTarget struct {
	Object
	Outbound *PolicyNames `yaml:"outbound" doc:"from apps to the component"`
	Inbound  *PolicyNames `yaml:"inbound" doc:"from the component to apps"`
}

// PolicyNames names policies.
type PolicyNames struct {
	Object
	Timeout        string `yaml:"timeout" doc:"name of a timeout"`
	Retry          string `yaml:"retry" doc:"name of a retry policy"`
	CircuitBreaker string `yaml:"circuitBreaker" doc:"name of a circuit breaker"`
}

func (r *Resiliency) check(*load) {}
