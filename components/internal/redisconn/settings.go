// Package redisconn is what the drivers on Redis share: the metadata fields of a connection, and how one is opened
// and checked. It knows nothing about state, topics or any other use.
package redisconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Settings are the metadata fields of a Redis connection, as in Dapr. A driver embeds them in its own struct:
//
//	type settings struct {
//		redisconn.Settings
//		Queue int64 `metadata:"queueDepth" ...`
//	}
//
// Durations that are bare integers are milliseconds.
type Settings struct {
	Host             string        `metadata:"redisHost,required" doc:"host:port of the server; several, separated by commas, for a cluster or for sentinels"`
	Port             string        `metadata:"redisPort" doc:"port of every host in redisHost that has none"`
	Username         string        `metadata:"redisUsername" doc:"user of Redis's ACLs; empty is the default user"`
	Password         string        `metadata:"redisPassword,secret" doc:"password of the user"`
	SentinelUsername string        `metadata:"sentinelUsername" doc:"user at the sentinels, with failover"`
	SentinelPassword string        `metadata:"sentinelPassword,secret" doc:"password at the sentinels, with failover"`
	Type             string        `metadata:"redisType" default:"node" doc:"node for a single server or sentinels, cluster for Redis Cluster"`
	DB               int64         `metadata:"redisDB" default:"0" doc:"number of the database; a cluster has only 0"`
	EnableTLS        bool          `metadata:"enableTLS" default:"false" doc:"connect by TLS"`
	SkipVerify       bool          `metadata:"insecureSkipTLSVerify" default:"false" doc:"accept any server certificate; for tests only"`
	ClientCert       string        `metadata:"clientCert" doc:"client certificate in PEM, with clientKey; needs enableTLS"`
	ClientKey        string        `metadata:"clientKey,secret" doc:"key of clientCert in PEM"`
	Failover         bool          `metadata:"failover" default:"false" doc:"redisHost are sentinels; needs sentinelMasterName"`
	MasterName       string        `metadata:"sentinelMasterName" doc:"name of the master that the sentinels watch"`
	MaxRetries       int64         `metadata:"redisMaxRetries" alias:"maxRetries" default:"3" doc:"how often a command is tried again on a network error; -1 or 0 for never"`
	MinRetryInterval time.Duration `metadata:"redisMinRetryInterval,ms" default:"8ms" doc:"shortest pause before trying again; -1 for none"`
	MaxRetryInterval time.Duration `metadata:"redisMaxRetryInterval,ms" alias:"maxRetryBackoff" default:"512ms" doc:"longest pause before trying again; -1 for none"`
	DialTimeout      time.Duration `metadata:"dialTimeout,ms" default:"5s" doc:"how long connecting may take"`
	ReadTimeout      time.Duration `metadata:"readTimeout,ms" default:"3s" doc:"how long a reply may take; -1 for no limit"`
	WriteTimeout     time.Duration `metadata:"writeTimeout,ms" doc:"how long sending may take; -1 for no limit; default as readTimeout"`
	PoolSize         int64         `metadata:"poolSize" doc:"connections per server; default 10 per CPU"`
	PoolTimeout      time.Duration `metadata:"poolTimeout,ms" doc:"how long to wait for a free connection; default readTimeout and 1 s"`
	MaxConnAge       time.Duration `metadata:"maxConnAge,ms" doc:"age at which a connection is replaced; default never"`
	MinIdleConns     int64         `metadata:"minIdleConns" default:"0" doc:"idle connections that are kept open"`
	IdleCheck        time.Duration `metadata:"idleCheckFrequency,ms" doc:"has no effect: idle connections are checked when they are used"`
	IdleTimeout      time.Duration `metadata:"idleTimeout,ms" default:"5m" doc:"idle time after which a connection is closed; -1 for never"`

	Unsupported
}

// Unsupported are the fields of Dapr's ways to authenticate that this binary does not have. They are known, so that
// a component that asks for them is refused and not opened without a password.
type Unsupported struct {
	UseEntraID               bool   `metadata:"useEntraID" alias:"useAzureAD" default:"false" doc:"not supported: true is refused"`
	UseOIDC                  bool   `metadata:"useOIDC" default:"false" doc:"not supported: true is refused"`
	OIDCTokenEndpoint        string `metadata:"oidcTokenEndpoint" doc:"not supported, see useOIDC"`
	OIDCClientID             string `metadata:"oidcClientID" doc:"not supported, see useOIDC"`
	OIDCClientAssertionCert  string `metadata:"oidcClientAssertionCert" doc:"not supported, see useOIDC"`
	OIDCClientAssertionKey   string `metadata:"oidcClientAssertionKey,secret" doc:"not supported, see useOIDC"`
	OIDCResource             string `metadata:"oidcResource" doc:"not supported, see useOIDC"`
	OIDCAudience             string `metadata:"oidcAudience" doc:"not supported, see useOIDC"`
	OIDCScopes               string `metadata:"oidcScopes" default:"openid" doc:"not supported, see useOIDC"`
	OIDCKid                  string `metadata:"oidcKid" doc:"not supported, see useOIDC"`
	OIDCCACert               string `metadata:"oidcCACert" doc:"not supported, see useOIDC"`
	AzureCertificate         string `metadata:"azureCertificate,secret" doc:"not supported, see useEntraID"`
	AzureCertificateFile     string `metadata:"azureCertificateFile" doc:"not supported, see useEntraID"`
	AzureCertificatePassword string `metadata:"azureCertificatePassword,secret" doc:"not supported, see useEntraID"`
	AzureClientID            string `metadata:"azureClientId" doc:"not supported, see useEntraID"`
	AzureClientSecret        string `metadata:"azureClientSecret,secret" doc:"not supported, see useEntraID"`
	AzureEnvironment         string `metadata:"azureEnvironment" doc:"not supported, see useEntraID"`
	AzureTenantID            string `metadata:"azureTenantId" doc:"not supported, see useEntraID"`
}

// Cluster tells whether the settings ask for Redis Cluster.
func (s *Settings) Cluster() bool { return strings.EqualFold(s.Type, "cluster") }

// Addrs gives the servers as host:port.
func (s *Settings) Addrs() []string {
	var out []string
	for a := range strings.SplitSeq(s.Host, ",") {
		a = strings.TrimSpace(a)
		if a == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			port := s.Port
			if port == "" {
				port = "6379"
			}
			a = net.JoinHostPort(strings.Trim(a, "[]"), port)
		}
		out = append(out, a)
	}
	return out
}

// Options checks the settings and gives them as go-redis takes them. The error lists all that is wrong.
func (s *Settings) Options() (*redis.UniversalOptions, error) {
	tlsConfig, err := s.tls()
	if err = errors.Join(s.check(), err); err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs: s.Addrs(), DB: int(s.DB),
		Username: s.Username, Password: s.Password,
		SentinelUsername: s.SentinelUsername, SentinelPassword: s.SentinelPassword,
		MasterName: s.MasterName, IsClusterMode: s.Cluster(),
		MaxRetries: retries(s.MaxRetries), MinRetryBackoff: pause(s.MinRetryInterval), MaxRetryBackoff: pause(s.MaxRetryInterval),
		// A refused connection is tried again by MaxRetries; trying inside of each attempt too would multiply the time.
		DialTimeout: s.DialTimeout, DialerRetries: 1,
		ReadTimeout: pause(s.ReadTimeout), WriteTimeout: pause(s.WriteTimeout), ContextTimeoutEnabled: true,
		PoolSize: int(s.PoolSize), PoolTimeout: s.PoolTimeout, MinIdleConns: int(s.MinIdleConns),
		ConnMaxLifetime: s.MaxConnAge, ConnMaxIdleTime: pause(s.IdleTimeout),
		TLSConfig: tlsConfig, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

func (s *Settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(s.Addrs()) == 0 {
		bad("metadata field redisHost: want host:port, found %q", s.Host)
	}
	if strings.Contains(s.Host, "://") || strings.Contains(s.Host, "@") { // not quoted: it may have a password
		bad("metadata field redisHost: want host:port, found a URL or a user; use redisUsername, redisPassword, redisDB and enableTLS for what a URL says")
	}
	if !s.Cluster() && !strings.EqualFold(s.Type, "node") {
		bad("metadata field redisType: want node or cluster, found %q", s.Type)
	}
	if !s.Cluster() && !s.Failover && len(s.Addrs()) > 1 {
		bad("metadata field redisHost: has %d hosts, but redisType node takes one; set redisType: cluster, or failover: true for sentinels", len(s.Addrs()))
	}
	if s.Cluster() && s.DB != 0 {
		bad("metadata field redisDB: want 0 with redisType cluster, found %d", s.DB)
	}
	if s.DB < 0 || s.PoolSize < 0 || s.MinIdleConns < 0 {
		bad("metadata fields redisDB, poolSize and minIdleConns: want 0 or more, found %d, %d and %d", s.DB, s.PoolSize, s.MinIdleConns)
	}
	if s.Failover != (s.MasterName != "") {
		bad("metadata fields failover and sentinelMasterName: want both or none of them, found failover %t and sentinelMasterName %q", s.Failover, s.MasterName)
	}
	if s.UseOIDC {
		bad("metadata field useOIDC: this binary cannot authenticate to Redis by OIDC; use redisUsername and redisPassword")
	}
	if s.UseEntraID {
		bad("metadata field useEntraID: this binary cannot authenticate to Redis by Microsoft Entra ID; use redisUsername and redisPassword")
	}
	return errors.Join(errs...)
}

func (s *Settings) tls() (*tls.Config, error) {
	if !s.EnableTLS {
		if s.ClientCert != "" || s.ClientKey != "" {
			return nil, errors.New("metadata fields clientCert and clientKey: need enableTLS: true")
		}
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.SkipVerify}
	if s.ClientCert == "" && s.ClientKey == "" {
		return cfg, nil
	}
	pair, err := tls.X509KeyPair([]byte(s.ClientCert), []byte(s.ClientKey))
	if err != nil {
		return nil, fmt.Errorf("metadata fields clientCert and clientKey: want a certificate and its key in PEM: %w", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// retries and pause turn "none" into go-redis's -1; its 0 means "default".
func retries(n int64) int {
	if n <= 0 {
		return -1
	}
	return int(n)
}

func pause(d time.Duration) time.Duration {
	if d < 0 {
		return -1
	}
	return d
}
