package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// check looks at what the fields' types cannot say.
func (set *settings) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("metadata field "+field+": "+format, args...))
	}
	if set.ConnectionString == "" {
		switch {
		case set.Host == "" && set.Server == "":
			errs = append(errs, errors.New("metadata field host, server or connectionString is missing: one of them is needed"))
		case set.Host != "" && set.Server != "":
			errs = append(errs, errors.New("metadata fields host and server are both given; keep one of them"))
		case strings.ContainsAny(set.Host+set.Server, "@/? \t\n"):
			bad("host or server", "want only names and ports, such as mongo.example.com:27017; credentials have fields of their own")
		case set.Password != "" && set.Username == "":
			bad("password", "it needs a username beside it")
		}
	}
	if set.Database == "" || len(set.Database) > 63 || strings.ContainsAny(set.Database, "/\\. \"$*<>:|?\x00") {
		bad("databaseName", "want at most 63 bytes without spaces and any of /\\.\"$*<>:|?, found %q", set.Database)
	}
	if strings.ContainsAny(set.Collection, "$\x00") || strings.HasPrefix(set.Collection, "system.") || strings.Trim(set.Collection, ".") != set.Collection {
		bad("collectionName", "want a name without $, that neither begins with system. nor begins or ends with a dot, found %q", set.Collection)
	}
	if n, err := strconv.Atoi(set.WriteConcern); set.WriteConcern != "" && set.WriteConcern != "majority" && (err != nil || n < 1) {
		bad("writeConcern", "want majority, or a number of servers from 1, found %q", set.WriteConcern)
	}
	switch set.ReadConcern {
	case "", "available", "local", "linearizable", "majority", "snapshot":
	default:
		bad("readConcern", "want one of available, local, linearizable, majority, snapshot, found %q", set.ReadConcern)
	}
	if set.OperationTimeout <= 0 {
		bad("operationTimeout", "want a duration above 0 such as 5s, found %s", set.OperationTimeout)
	}
	return errors.Join(errs...)
}

// client gives the library's options.
func (set *settings) client() (*options.ClientOptions, error) {
	if err := set.check(); err != nil {
		return nil, component.Permanent(err)
	}
	opts := options.Client().ApplyURI(set.uri())
	if err := opts.Validate(); err != nil {
		return nil, set.refused(err)
	}
	return opts, nil
}

// uri is the connection string that the fields make: its path is where the user is, unless params say otherwise.
func (set *settings) uri() string {
	if set.ConnectionString != "" {
		return set.ConnectionString
	}
	user := ""
	if set.Username != "" {
		user = escape(set.Username)
		if set.Password != "" {
			user += ":" + escape(set.Password)
		}
		user += "@"
	}
	params := strings.TrimPrefix(set.Params, "?")
	if params != "" {
		params = "?" + params
	}
	database := url.PathEscape(set.Database)
	if set.Server == "" {
		return "mongodb://" + user + set.Host + "/" + database + params
	}
	if user == "" {
		database = ""
	}
	return "mongodb+srv://" + user + set.Server + "/" + database + params
}

// escape makes a user name or a password a part of a URI. Dapr puts them in as they are, so they may be escaped already.
func escape(text string) string {
	if plain, err := url.PathUnescape(text); err == nil && !strings.ContainsAny(text, ":/?#[]@") {
		text = plain
	}
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// harmless are beginnings of the library's errors that show nothing of a connection string but names of options and hosts.
var harmless = []string{
	"error parsing uri: invalid value for", "error parsing uri: scheme must be", "error parsing uri: unescaped @ sign",
	"error parsing uri: invalid auth mechanism",
}

// refused says why the library does not take the settings. Its errors may quote a piece of a password.
func (set *settings) refused(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("%w: the DNS records of the MongoDB servers cannot be read; check server or connectionString: %w", state.ErrUnavailable, dns)
	}
	fields := "metadata fields host, server and params"
	if set.ConnectionString != "" {
		fields = "metadata field connectionString"
		shown := !strings.HasPrefix(err.Error(), "error parsing uri:")
		for _, text := range harmless {
			shown = shown || strings.HasPrefix(err.Error(), text)
		}
		if !shown {
			return component.Permanent(errors.New(fields + ": want mongodb://user:password@host:27017/?option=value, or mongodb+srv://, with special characters of the user and the password percent-encoded"))
		}
	}
	return component.Permanent(fmt.Errorf("%s: %w", fields, err))
}

// concerns gives those of the fields, else those of the connection string, else Dapr's.
func (set *settings) concerns(opts *options.ClientOptions) (*writeconcern.WriteConcern, *readconcern.ReadConcern) {
	write, read := opts.WriteConcern, opts.ReadConcern
	switch n, err := strconv.Atoi(set.WriteConcern); {
	case err == nil:
		write = &writeconcern.WriteConcern{W: n, Journal: new(true)}
	case set.WriteConcern != "":
		write = &writeconcern.WriteConcern{W: set.WriteConcern, Journal: new(true)}
	case write == nil || !write.Acknowledged():
		write = &writeconcern.WriteConcern{W: 1, Journal: new(true)}
	}
	if set.ReadConcern != "" {
		read = &readconcern.ReadConcern{Level: set.ReadConcern}
	} else if read == nil {
		read = readconcern.Local()
	}
	return write, read
}

// Codes of the server's errors.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeTooLarge             = 10334
	codeBadValue             = 2
)

// away are codes of a server that stops, is no primary any more, or is out of time: another try may succeed.
var away = []int{6, 7, 50, 89, 91, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436}

// unreachable tells whether the server does not answer, or not now.
func unreachable(err error) bool {
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) {
		return true
	}
	if labeled, ok := errors.AsType[mongo.LabeledError](err); ok && (labeled.HasErrorLabel("RetryableWriteError") || labeled.HasErrorLabel("TransientTransactionError")) {
		return true
	}
	for _, code := range away {
		if hasCode(err, code) {
			return true
		}
	}
	// The library has no kinds for these.
	text := err.Error()
	return strings.Contains(text, "server selection error") || strings.Contains(text, "connection pool for ") || strings.Contains(text, "connection() error")
}

func hasCode(err error, code int) bool {
	server, ok := errors.AsType[mongo.ServerError](err)
	return ok && server.HasErrorCode(code)
}

// unauthorized tells whether the server refuses the user.
func unauthorized(err error) bool {
	return hasCode(err, codeUnauthorized) || hasCode(err, codeAuthenticationFailed) || strings.Contains(err.Error(), "auth error:")
}

// failure classifies an error of the client; nil stays nil.
func (s *store) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case errors.Is(err, mongo.ErrClientDisconnected):
		return errors.New("the state store is closed")
	case errors.Is(err, state.ErrETagMismatch), errors.Is(err, state.ErrInvalidKey):
		return err
	case unauthorized(err):
		return fmt.Errorf("mongodb at %s refuses the user; check username, password and authSource, and that the user may read and write %s: %w", s.where, s.data.Database().Name(), err)
	case hasCode(err, codeTooLarge):
		return fmt.Errorf("%w: mongodb at %s: the value is larger than a document may be: %w", state.ErrInvalid, s.where, err)
	case unreachable(err):
		return fmt.Errorf("%w: mongodb at %s: %w", state.ErrUnavailable, s.where, err)
	default:
		return fmt.Errorf("mongodb at %s: %w", s.where, err)
	}
}

// explain is failure when the store is opened: it marks what waiting cannot mend.
func (s *store) explain(ctx context.Context, err error) error {
	// Looking for a server lasts as long as there is time: that it is over is how it shows that there is none.
	late := errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil && unreachable(err)
	if _, marked := errors.AsType[*component.PermanentError](err); marked || ctx.Err() != nil && !late {
		return errors.Join(ctx.Err(), err)
	}
	out := s.failure(context.WithoutCancel(ctx), err)
	switch {
	case unauthorized(err):
		return component.Permanent(out)
	case strings.Contains(err.Error(), "x509:"):
		return component.Permanent(fmt.Errorf("%w; set tlsCAFile in params or connectionString to the authority of the server's certificate", out))
	case errors.Is(out, state.ErrUnavailable):
		return fmt.Errorf("%w; check that the server runs and that host, server or connectionString is right", out)
	default:
		return out
	}
}
