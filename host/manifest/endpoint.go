package manifest

// HTTPEndpoint names an HTTP service elsewhere, which apps invoke as if it were an app.
type HTTPEndpoint struct {
	Header
	Spec   EndpointSpec `yaml:"spec,required" doc:"where the service is"`
	Auth   Auth         `yaml:"auth" doc:"where secretKeyRefs are looked up"`
	Scopes []string     `yaml:"scopes" doc:"the apps that may invoke it; all when empty"`

	// Secrets are the headers, and the fields of clientTLS as "clientTLS.<field>", whose values a secret store has.
	Secrets []SecretRef
	headers map[string]string
}

// EndpointSpec is HTTPEndpoint.spec.
type EndpointSpec struct {
	Object
	BaseURL   string     `yaml:"baseUrl,required" check:"baseURL" doc:"http:// or https:// and host, with a path if need be"`
	Headers   []Item     `yaml:"headers" doc:"headers that are added to every request"`
	ClientTLS *ClientTLS `yaml:"clientTLS" doc:"certificates for TLS"`
}

// ClientTLS is HTTPEndpoint.spec.clientTLS.
type ClientTLS struct {
	Object
	RootCA        *TLSValue `yaml:"rootCA" doc:"certificate of the authority to trust, PEM"`
	Certificate   *TLSValue `yaml:"certificate" doc:"the client's certificate, PEM"`
	PrivateKey    *TLSValue `yaml:"privateKey" doc:"the client's key, PEM"`
	Renegotiation string    `yaml:"renegotiation" enum:"Never,OnceAsClient,FreelyAsClient" default:"Never" doc:"TLS renegotiation"`
}

// TLSValue is a value, or a secret.
type TLSValue struct {
	Object
	Value        Value         `yaml:"value" doc:"the value"`
	SecretKeyRef *SecretKeyRef `yaml:"secretKeyRef" doc:"a secret instead of a value"`
}

// HeaderValues are the headers to add, envRefs resolved. Those with a secretKeyRef are in Secrets instead.
func (e *HTTPEndpoint) HeaderValues() map[string]string { return e.headers }

func (e *HTTPEndpoint) check(l *load) {
	e.headers, e.Secrets = l.items(e.Spec.Headers, "spec.headers", e.Auth.SecretStore)
	for i, h := range e.Spec.Headers {
		if h.Name != "" && !isToken(h.Name) {
			l.errorf(h.At("name"), "", "spec.headers[%d].name: %q is not a name of an HTTP header", i, shorten(h.Name))
		}
	}
	if e.Spec.ClientTLS == nil {
		return
	}
	t := e.Spec.ClientTLS
	for _, v := range []struct {
		name  string
		value *TLSValue
	}{{"rootCA", t.RootCA}, {"certificate", t.Certificate}, {"privateKey", t.PrivateKey}} {
		switch {
		case v.value == nil || v.value.broken:
		case v.value.Has("value") == v.value.Has("secretKeyRef"):
			l.errorf(v.value.Pos, "", "spec.clientTLS.%s: want one of value, secretKeyRef", v.name)
		case v.value.SecretKeyRef != nil:
			e.Secrets = append(e.Secrets, secretRef("clientTLS."+v.name, e.Auth.SecretStore, v.value.SecretKeyRef))
		}
	}
	if (t.Certificate == nil) != (t.PrivateKey == nil) {
		l.errorf(t.Pos, "", "spec.clientTLS: certificate and privateKey go together")
	}
}
