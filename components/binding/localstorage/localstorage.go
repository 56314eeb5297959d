// Package localstorage is the driver bindings.localstorage: files in a folder of this machine. Names that lead out of
// the folder, by "..", as absolute paths or through symbolic links, are refused by the operating system's own means.
package localstorage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.localstorage",
	Doc: `Files in a folder of this machine.

Operations: create, get, list, delete. The request's metadata field fileName is a path within the folder; create makes
up a name without it, and list lists everything below it, or the whole folder. create answers {"fileName": name}, list
a JSON array of names that get and delete take. A file is seen by others when it is whole.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	Root         string `metadata:"rootPath,required" doc:"folder of the files; it is created if it does not exist"`
	DecodeBase64 bool   `metadata:"decodeBase64" default:"false" doc:"data of create is base64 and stored decoded; a request can say so for itself"`
}

// The request's metadata.
const (
	fileName     = "fileName"
	decodeBase64 = "decodeBase64"
)

// forbidden are folders that hold the system's own files and secrets.
var forbidden = []string{"/proc", "/sys", "/boot", "/var/run/secrets", "/run/secrets"}

func open(_ context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	root, err := openRoot(s.Root)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field rootPath: %w", err))
	}
	return &store{root: root, decode: s.DecodeBase64}, nil
}

func openRoot(dir string) (*os.Root, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o777); err != nil {
		return nil, fmt.Errorf("want a folder that can be created: %w", err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return nil, err
	}
	for _, f := range forbidden {
		if real == f || strings.HasPrefix(real, f+string(filepath.Separator)) {
			return nil, fmt.Errorf("want a folder outside of %s, found %s", f, real)
		}
	}
	return os.OpenRoot(real)
}

type store struct {
	root   *os.Root
	decode bool
}

var (
	_ binding.Binding = (*store)(nil)
	_ binding.Output  = (*store)(nil)
)

// Operations lists what Invoke takes.
func (s *store) Operations() []string { return []string{"create", "get", "list", "delete"} }

func (s *store) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	do := map[string]func(string, *binding.Request) (*binding.Reply, error){
		"create": s.create, "get": s.get, "list": s.list, "delete": s.delete,
	}[req.Operation]
	if do == nil {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: s.Operations()}
	}
	name := req.Metadata[fileName]
	if name == "" {
		switch req.Operation {
		case "create":
			name = uuid.NewString()
		case "list":
			name = "."
		default:
			return nil, fmt.Errorf("%w: metadata %s is missing: the file's path within rootPath", binding.ErrInvalid, fileName)
		}
	}
	// As in Dapr, a leading slash is the folder itself.
	local := path.Clean(strings.TrimLeft(filepath.ToSlash(name), "/"))
	if !filepath.IsLocal(local) || strings.ContainsRune(local, 0) {
		return nil, fmt.Errorf("%w: metadata %s: want a path within rootPath, found %q", binding.ErrInvalid, fileName, name)
	}
	if local == "." && req.Operation != "list" {
		return nil, fmt.Errorf("%w: metadata %s: want the path of a file, found %q", binding.ErrInvalid, fileName, name)
	}
	reply, err := do(local, req)
	return reply, explain(name, err)
}

// explain says what kind of error it is. The folder's place on this machine is not the app's business: only the name
// that it gave is in the text.
func explain(name string, err error) error {
	cause := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		cause = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		cause = e.Err
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, binding.ErrInvalid), errors.Is(err, binding.ErrNotFound):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("file %q: %w", name, binding.ErrNotFound)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("file %q: %w", name, cause)
	default:
		// A link out of the folder, a folder where a file is needed, a name too long: the name is at fault.
		return fmt.Errorf("%w: file %q: %w", binding.ErrInvalid, name, cause)
	}
}

// tempPrefix and tempSuffix mark files that are being written.
const (
	tempPrefix = ".mrt-"
	tempSuffix = ".tmp"
)

func (s *store) create(name string, req *binding.Request) (*binding.Reply, error) {
	data, err := s.content(req)
	if err != nil {
		return nil, err
	}
	if err := s.root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return nil, err
	}
	// Written beside and renamed, so that nobody sees half of it.
	temp := path.Join(path.Dir(name), tempPrefix+uuid.NewString()+tempSuffix)
	if err := s.write(temp, data); err != nil {
		_ = s.root.Remove(temp)
		return nil, err
	}
	if err := s.root.Rename(temp, name); err != nil {
		_ = s.root.Remove(temp)
		return nil, err
	}
	answer, err := json.Marshal(map[string]string{fileName: name})
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Data: answer, ContentType: "application/json"}, nil
}

func (s *store) write(name string, data []byte) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// content is what create stores: a JSON text is stored without its quotes.
func (s *store) content(req *binding.Request) ([]byte, error) {
	data := req.Data
	if req.JSON && len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return nil, fmt.Errorf("%w: data: %w", binding.ErrInvalid, err)
		}
		data = []byte(text)
	}
	decode := s.decode
	if said, ok := req.Metadata[decodeBase64]; ok {
		decode = strings.EqualFold(said, "true")
	}
	if !decode {
		return data, nil
	}
	out, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		return nil, fmt.Errorf("%w: data: want base64, since %s is true: %w", binding.ErrInvalid, decodeBase64, err)
	}
	return out, nil
}

func (s *store) get(name string, _ *binding.Request) (*binding.Reply, error) {
	info, err := s.root.Stat(name)
	if err != nil {
		return nil, err
	}
	// Opening a pipe would wait for a writer.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %q is not a file", binding.ErrInvalid, name)
	}
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, binding.MaxData+1))
	if err != nil {
		return nil, err
	}
	if len(data) > binding.MaxData {
		return nil, fmt.Errorf("%w: file %q has more than %d bytes, which is the most an app can take", binding.ErrInvalid, name, binding.MaxData)
	}
	return &binding.Reply{Data: data}, nil
}

func (s *store) list(name string, _ *binding.Request) (*binding.Reply, error) {
	info, err := s.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: list: %q is a file, want a folder", binding.ErrInvalid, name)
	}
	files := []string{}
	err = fs.WalkDir(s.root.FS(), name, func(p string, d fs.DirEntry, err error) error {
		switch base := path.Base(p); {
		case errors.Is(err, fs.ErrNotExist):
			return nil // deleted meanwhile
		case err != nil:
			return err
		case !d.IsDir() && (!strings.HasPrefix(base, tempPrefix) || !strings.HasSuffix(base, tempSuffix)):
			files = append(files, p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(files)
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Data: data, ContentType: "application/json"}, nil
}

func (s *store) delete(name string, _ *binding.Request) (*binding.Reply, error) {
	return nil, s.root.Remove(name)
}

func (s *store) Close(context.Context) error { return s.root.Close() }
