package component

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metadata are a component's fields. Names compare without case.
type Metadata map[string]string

// Get gives a field by name, without case, and whether it is there.
func (m Metadata) Get(names ...string) (string, bool) {
	for _, name := range names {
		if v, ok := m[name]; ok {
			return v, true
		}
		for k, v := range m {
			if strings.EqualFold(k, name) {
				return v, true
			}
		}
	}
	return "", false
}

// perApp tells whether a field has a tag that differs from app to app.
func (m Metadata) perApp() bool {
	for _, v := range m {
		if strings.Contains(v, "{appID}") || strings.Contains(v, "{namespace}") {
			return true
		}
	}
	return false
}

// fill replaces Dapr's tags: {uuid}, {podName}, {appID}, and {namespace}, which is <namespace>.<app id>.
func (m Metadata) fill(app, namespace string) Metadata {
	if namespace == "" {
		namespace = "default"
	}
	out := make(Metadata, len(m))
	for k, v := range m {
		if strings.Contains(v, "{") {
			v = strings.NewReplacer("{uuid}", newUUID(), "{podName}", podName(),
				"{appID}", app, "{namespace}", namespace+"."+app).Replace(v)
		}
		out[k] = v
	}
	return out
}

func podName() string {
	if n := os.Getenv("POD_NAME"); n != "" {
		return n
	}
	n, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return n
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Field documents one metadata field of a driver.
type Field struct {
	// Name is the field's name in YAML; Aliases are other names of it.
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	// Kind is "string", "bool", "integer" or "duration"; "number" where it is not known whether parts of one are taken.
	Kind string `json:"kind"`
	// Default is the value when the field is missing, as text.
	Default  string `json:"default,omitempty"`
	Doc      string `json:"doc,omitempty"`
	Required bool   `json:"required,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	// Allowed are all values that the field takes; empty if they cannot be listed.
	Allowed []string `json:"allowed,omitempty"`
	// For are the uses that the field is for, such as a way to sign in; empty for all of the driver's.
	For []Use `json:"for,omitempty"`
}

// Use is one of several ways to use a driver.
type Use struct {
	Name string `json:"name"`
	// Required tells that this way needs the field.
	Required bool `json:"required,omitempty"`
}

// Fields reads the documentation of a driver's metadata from the tags of the struct that v points to:
//
//	Host string `metadata:"redisHost,required" alias:"host" default:"localhost:6379" doc:"host:port of the server"`
//
// Embedded structs are read as if their fields stood in place. The options of the metadata tag are required,
// secret, and ms or s, the unit of a duration that is a bare integer (without: not allowed).
func Fields(v any) []Field {
	var out []Field
	walk(reflect.ValueOf(v).Elem(), func(f reflect.StructField, _ reflect.Value) {
		name, opts, _ := strings.Cut(f.Tag.Get("metadata"), ",")
		field := Field{Name: name, Kind: kindOf(f.Type), Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc")}
		if a := f.Tag.Get("alias"); a != "" {
			field.Aliases = strings.Split(a, ",")
		}
		for o := range strings.SplitSeq(opts, ",") {
			field.Required = field.Required || o == "required"
			field.Secret = field.Secret || o == "secret"
		}
		out = append(out, field)
	})
	return out
}

// common are fields that blocks read, whatever the driver.
var common = []string{
	"pollInterval", "keyPrefix", "primaryEncryptionKey", "secondaryEncryptionKey", "actorStateStore", "outboxPublishPubsub",
	"outboxPublishTopic", "outboxPubsub", "outboxDiscardWhenMissingState", "publishingScopes", "subscriptionScopes",
	"allowedTopics", "protectedTopics", "consumerID", "direction", "route",
}

// Unknown lists the fields that neither the struct that v points to nor any block knows, sorted.
func (m Metadata) Unknown(v any) []string {
	known := slices.Clone(common)
	for _, f := range Fields(v) {
		known = append(append(known, f.Name), f.Aliases...)
	}
	var out []string
	for name := range m {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Decode fills the struct that v points to from the fields, by the tags that Fields documents. The error is a
// PermanentError with all that is missing or wrong; values of secret fields are never in it.
func (c Config) Decode(v any) error {
	var errs []error
	walk(reflect.ValueOf(v).Elem(), func(f reflect.StructField, dst reflect.Value) {
		if err := decodeField(c.Metadata, f, dst); err != nil {
			errs = append(errs, err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return Permanent(err)
	}
	return nil
}

// Require gives a PermanentError with all fields that are required and not there.
func (c Config) Require(fields []Field) error {
	var errs []error
	for _, f := range fields {
		if text, _ := c.Metadata.Get(append([]string{f.Name}, f.Aliases...)...); f.Required && text == "" {
			errs = append(errs, fmt.Errorf("metadata field %s is missing: the component needs it", f.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Permanent(err)
	}
	return nil
}

func decodeField(m Metadata, f reflect.StructField, dst reflect.Value) error {
	name, opts, _ := strings.Cut(f.Tag.Get("metadata"), ",")
	names := []string{name}
	if a := f.Tag.Get("alias"); a != "" {
		names = append(names, strings.Split(a, ",")...)
	}
	text, ok := m.Get(names...)
	if !ok || text == "" {
		if slices.Contains(strings.Split(opts, ","), "required") {
			return fmt.Errorf("metadata field %s is missing: %s", name, f.Tag.Get("doc"))
		}
		text = f.Tag.Get("default")
	}
	if text == "" {
		return nil
	}
	if err := set(dst, text, opts); err != nil {
		shown := fmt.Sprintf(", found %q", text)
		if strings.Contains(opts, "secret") {
			shown = ""
		}
		return fmt.Errorf("metadata field %s: want %w%s", name, err, shown)
	}
	return nil
}

func walk(v reflect.Value, visit func(reflect.StructField, reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			walk(v.Field(i), visit)
		} else if f.Tag.Get("metadata") != "" {
			visit(f, v.Field(i))
		}
	}
}

func kindOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.String:
		return "string"
	default:
		return "integer"
	}
}

var (
	errBool     = errors.New("true or false")
	errInt      = errors.New("an integer")
	errDuration = errors.New("a duration such as 5s or 200ms")
)

// set parses text into dst; a pointer field is allocated, so that nil means "not given".
func set(dst reflect.Value, text, opts string) error {
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	if dst.Type() == reflect.TypeFor[time.Duration]() {
		d, err := parseDuration(text, opts)
		dst.SetInt(int64(d))
		return err
	}
	switch dst.Kind() {
	case reflect.String:
		dst.SetString(text)
	case reflect.Bool:
		b, ok := truthy(text)
		if !ok {
			return errBool
		}
		dst.SetBool(b)
	default:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || dst.OverflowInt(n) {
			return errInt
		}
		dst.SetInt(n)
	}
	return nil
}

func parseDuration(text, opts string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		for o := range strings.SplitSeq(opts, ",") {
			switch o {
			case "ms":
				return time.Duration(n) * time.Millisecond, nil
			case "s":
				return time.Duration(n) * time.Second, nil
			}
		}
		if n == 0 || n == -1 {
			return time.Duration(n), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errDuration
	}
	return d, nil
}

// truthy reads booleans as Dapr does: y, yes, true, t, on, 1 in any case are true.
func truthy(text string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes", "true", "t", "on", "1":
		return true, true
	case "n", "no", "false", "f", "off", "0":
		return false, true
	default:
		return false, false
	}
}
