package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// NATSJWTServer is a NATS server that knows its users by JWT.
type NATSJWTServer struct {
	*NATSServer
	// JWT and Seed are those of a user who may do everything with JetStream.
	JWT, Seed string
}

// NATSJWT runs a NATS server with an operator, and with JetStream in a domain.
func NATSJWT(t testing.TB, domain string) *NATSJWTServer {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		t.Helper()
		kp, err := create()
		must(err)
		pub, err := kp.PublicKey()
		must(err)
		return kp, pub
	}
	operator, operatorPub := pair(nkeys.CreateOperator)
	account, accountPub := pair(nkeys.CreateAccount)
	_, systemPub := pair(nkeys.CreateAccount)
	user, userPub := pair(nkeys.CreateUser)

	operatorJWT, err := jwt.NewOperatorClaims(operatorPub).Encode(operator)
	must(err)
	claims := jwt.NewAccountClaims(accountPub)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1}
	accountJWT, err := claims.Encode(operator)
	must(err)
	systemJWT, err := jwt.NewAccountClaims(systemPub).Encode(operator)
	must(err)
	s := &NATSJWTServer{}
	s.JWT, err = jwt.NewUserClaims(userPub).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	s.Seed = string(seed)

	conf := filepath.Join(t.TempDir(), "nats.conf")
	must(os.WriteFile(conf, fmt.Appendf(nil, "operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {%s: %s, %s: %s}\njetstream: {domain: %s}\n",
		operatorJWT, systemPub, accountPub, accountJWT, systemPub, systemJWT, domain), 0o600))
	s.NATSServer = NATS(t, "-c", conf)
	return s
}

// Credentials writes the user's JWT and seed into a file, as nsc does, and gives its path.
func (s *NATSJWTServer) Credentials(t testing.TB) string {
	t.Helper()
	text, err := jwt.FormatUserConfig(s.JWT, []byte(s.Seed))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
