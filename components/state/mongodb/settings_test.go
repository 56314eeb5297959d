package mongodb

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

func TestURI(t *testing.T) {
	for _, tc := range []struct {
		set  settings
		want string
	}{
		{settings{Host: "a:1,b:2"}, "mongodb://a:1,b:2/daprStore"},
		{settings{Host: "a", Params: "?x=1"}, "mongodb://a/daprStore?x=1"},
		{settings{Host: "a", Params: "x=1&y=2", Username: "u", Password: "p"}, "mongodb://u:p@a/daprStore?x=1&y=2"},
		{settings{Host: "a", Username: "u@x", Password: "p@:/%20 +"}, "mongodb://u%40x:p%40%3A%2F%2520%20%2B@a/daprStore"},
		{settings{Host: "a", Username: "u", Password: "p%40ss"}, "mongodb://u:p%40ss@a/daprStore"},
		{settings{Host: "a", Username: "u", Password: "100%"}, "mongodb://u:100%25@a/daprStore"},
		{settings{Host: "a", Username: "CN=x", Params: "authMechanism=MONGODB-X509"}, "mongodb://CN%3Dx@a/daprStore?authMechanism=MONGODB-X509"},
		{settings{Server: "c.example.com", Params: "?x=1"}, "mongodb+srv://c.example.com/?x=1"},
		{settings{Server: "c.example.com", Username: "u", Password: "p"}, "mongodb+srv://u:p@c.example.com/daprStore"},
		{settings{ConnectionString: "mongodb://all", Host: "b"}, "mongodb://all"},
	} {
		tc.set.Database = "daprStore"
		if got := tc.set.uri(); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

func TestConcerns(t *testing.T) {
	for _, tc := range []struct {
		metadata    component.Metadata
		write, read any
	}{
		{component.Metadata{}, 1, "local"},
		{component.Metadata{"writeconcern": "majority", "readconcern": "snapshot"}, "majority", "snapshot"},
		{component.Metadata{"writeConcern": "2"}, 2, "local"},
		{component.Metadata{"params": "?w=majority&readConcernLevel=majority"}, "majority", "majority"},
		{component.Metadata{"params": "?w=majority&readConcernLevel=majority", "writeconcern": "1", "readConcern": "available"}, 1, "available"},
		{component.Metadata{"params": "w=0"}, 1, "local"},
	} {
		tc.metadata["host"] = "h"
		var set settings
		if err := (component.Config{Metadata: tc.metadata}).Decode(&set); err != nil {
			t.Fatal(err)
		}
		opts, err := set.client()
		if err != nil {
			t.Fatal(err)
		}
		if write, read := set.concerns(opts); write.W != tc.write || read.Level != tc.read {
			t.Errorf("%v: got %v and %v, want %v and %v", tc.metadata, write.W, read.Level, tc.write, tc.read)
		}
	}
}

// TestBadSettings: whatever is wrong is said with the field's name, and no credential is shown.
func TestBadSettings(t *testing.T) {
	const secret = "pl4nted"
	for name, tc := range map[string]struct {
		metadata component.Metadata
		want     string
	}{
		"nothing":               {component.Metadata{}, "metadata field host, server or connectionString is missing"},
		"two":                   {component.Metadata{"host": "a", "server": "b"}, "host and server are both given"},
		"credentials in host":   {component.Metadata{"host": "u:" + secret + "@h"}, "metadata field host or server: want only names and ports"},
		"port":                  {component.Metadata{"host": "h:99999"}, "metadata fields host, server and params"},
		"password alone":        {component.Metadata{"host": "h", "password": secret}, "it needs a username"},
		"database":              {component.Metadata{"host": "h", "databaseName": "a.b"}, "metadata field databaseName"},
		"collection":            {component.Metadata{"host": "h", "collectionName": "a$b"}, "metadata field collectionName"},
		"system collection":     {component.Metadata{"host": "h", "collectionName": "system.users"}, "metadata field collectionName"},
		"write concern":         {component.Metadata{"host": "h", "writeconcern": "0"}, `want majority, or a number of servers from 1, found "0"`},
		"write concern's name":  {component.Metadata{"host": "h", "writeconcern": "most"}, `found "most"`},
		"read concern":          {component.Metadata{"host": "h", "readconcern": "some"}, "want one of available, local, linearizable, majority, snapshot"},
		"timeout":               {component.Metadata{"host": "h", "operationTimeout": "0"}, "metadata field operationTimeout"},
		"no duration":           {component.Metadata{"host": "h", "operationTimeout": "soon"}, "metadata field operationTimeout: want a duration"},
		"params":                {component.Metadata{"host": "h", "params": "tlsInsecure=maybe"}, `invalid value for "tlsInsecure"`},
		"mechanism":             {component.Metadata{"host": "h", "username": "u", "password": secret, "params": "authMechanism=FOO"}, "invalid auth mechanism"},
		"no file":               {component.Metadata{"host": "h", "params": "tls=true&tlsCAFile=/no/such"}, "/no/such"},
		"no connection string":  {component.Metadata{"connectionString": "u:" + secret + "@h"}, `scheme must be "mongodb"`},
		"unescaped @":           {component.Metadata{"connectionString": "mongodb://u:" + secret + "@x@h"}, "unescaped @"},
		"unescaped %":           {component.Metadata{"connectionString": "mongodb://u:%zz" + secret + "@h"}, "percent-encoded"},
		"unescaped /":           {component.Metadata{"connectionString": "mongodb://u:" + secret + "/x@h"}, "metadata field connectionString"},
		"a port that is secret": {component.Metadata{"connectionString": "mongodb://u:" + secret}, "percent-encoded"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attempt(t, tc.metadata)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); !ok {
				t.Errorf("error %v: want it permanent", err)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "%zz") {
				t.Errorf("a credential is in %v", err)
			}
		})
	}
}

func TestOpenFails(t *testing.T) {
	const secret = "pl4nted"
	server := testserver.FerretDB(t)
	down := testserver.FerretDB(t)
	down.Stop()
	for name, tc := range map[string]struct {
		metadata  component.Metadata
		want      string
		permanent bool
	}{
		"down":      {component.Metadata{"host": down.Addr, "username": "u", "password": secret, "operationTimeout": "200ms"}, "mongodb at " + down.Addr, false},
		"mechanism": {component.Metadata{"host": server.Addr, "username": "u", "password": secret}, "refuses the user; check username, password and authSource", true},
		"authority": {component.Metadata{"host": server.TLSAddr, "params": "tls=true", "operationTimeout": "1s"}, "set tlsCAFile", true},
		"no SRV":    {component.Metadata{"server": "none.invalid", "username": "u", "password": secret}, "check server or connectionString", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attempt(t, tc.metadata)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got error %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*component.PermanentError](err); ok != tc.permanent {
				t.Errorf("error %v: permanent %t, want %t", err, ok, tc.permanent)
			}
			if !tc.permanent && !errors.Is(err, state.ErrUnavailable) {
				t.Errorf("got error %v, want %v", err, state.ErrUnavailable)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a credential is in %v", err)
			}
		})
	}
}

// TestStartIsOutOfTime: initTimeout, which ends before the search for a server does, hides nothing.
func TestStartIsOutOfTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	addr := "127.0.0.1:" + strconv.Itoa(testserver.FreePort(t))
	_, err := Spec.New(ctx, component.Config{Name: "statestore", Metadata: component.Metadata{"host": addr}})
	if !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "mongodb at "+addr) || !strings.Contains(err.Error(), "check that the server runs") {
		t.Errorf("got error %v, want %v, the address and what to do", err, state.ErrUnavailable)
	}
}
