package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Source is the text of one manifest file.
type Source struct {
	// Name stands in positions; relative paths in the text start at its folder.
	Name string
	Data []byte
	// folder is set for a file found in a folder, where YAML that is not for us is normal.
	folder bool
}

// maxFile bounds a manifest file, in bytes. Larger ones are data, not configuration.
const maxFile = 1 << 20

// read gives the text of all files: a folder stands for its .yaml and .yml files in order of their names.
func (l *load) read(paths []string) []Source {
	var out []Source
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.files = append(l.files, path)
			l.errorf(Pos{File: path}, "", "cannot read the manifest: %v", cause(err))
		case info.IsDir():
			out = append(out, l.readFolder(path)...)
		default:
			out = append(out, l.readFile(path, false)...)
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(s Source) bool {
		key, err := filepath.Abs(s.Name)
		dup := err == nil && seen[key]
		seen[key] = true
		return dup
	})
}

func (l *load) readFolder(dir string) []Source {
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.errorf(Pos{File: dir}, "", "cannot read the folder: %v", cause(err))
	}
	var out []Source
	found := false
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		found = true
		out = append(out, l.readFile(filepath.Join(dir, e.Name()), true)...)
	}
	if err == nil && !found {
		l.errorf(Pos{File: dir}, "", "the folder has no .yaml or .yml file")
	}
	return out
}

func (l *load) readFile(path string, folder bool) []Source {
	data, err := readAtMost(path, maxFile)
	if err != nil {
		l.errorf(Pos{File: path}, "", "cannot read the manifest: %v", cause(err))
		return nil
	}
	return []Source{{Name: path, Data: data, folder: folder}}
}

// readAtMost reads a regular file; others could block or never end.
func readAtMost(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	case info.Size() > limit:
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", info.Size(), limit)
	}
	return os.ReadFile(path)
}

// cause drops the path from an error, since the position has it.
func cause(err error) error {
	if p, ok := err.(*fs.PathError); ok { //nolint:errorlint // only the outermost repeats the path
		return p.Err
	}
	return err
}

// document is one YAML document and how many lines of its file stand before it.
type document struct {
	node   *yaml.Node
	offset int
}

var docMark = regexp.MustCompile(`(?m)^---(?:[ \t].*)?\r?$`)

// documents parses a file. Each document is parsed by itself, so that one with bad syntax does not hide the
// errors of the others; `---` at the start of a line ends a document wherever it stands (YAML 1.2, 9.1.2).
func (l *load) documents(src Source) []document {
	at := Pos{File: src.Name}
	if len(src.Data) > maxFile {
		l.errorf(at, "", "the file has %d bytes, the limit is %d", len(src.Data), maxFile)
		return nil
	}
	data := bytes.TrimPrefix(src.Data, []byte("\xef\xbb\xbf"))
	if line, col, what := badText(data); what != "" {
		l.lost = true
		l.errorf(Pos{src.Name, line, col}, "save the file as UTF-8 text", "%s", what)
		return nil
	}
	var docs []document
	start, line := 0, 0
	next := func(end int) {
		chunk := data[start:end]
		docs = append(docs, l.parse(src.Name, chunk, line)...)
		line += bytes.Count(chunk, []byte("\n"))
		start = end
	}
	for _, m := range docMark.FindAllIndex(data, -1) {
		next(m[0])
	}
	next(len(data))
	return docs
}

// badText finds what YAML forbids in any place: bytes that are not UTF-8, and control characters.
func badText(data []byte) (line, col int, what string) {
	line, col = 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return line, col, fmt.Sprintf("the file is not UTF-8: found byte %#02x", data[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return line, col, fmt.Sprintf("control character %U is not allowed", r)
		case r == '\n':
			line, col = line+1, 0
		}
		i += size
		col++
	}
	return 0, 0, ""
}

var (
	onlyComments = regexp.MustCompile(`\A(?:\s*(?:[#%].*)?\n)*\s*(?:[#%].*)?\z`)
	syntaxLine   = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
)

// parse parses the documents of one chunk, which a line with `---` may start.
func (l *load) parse(file string, chunk []byte, offset int) (docs []document) {
	if onlyComments.Match(chunk) {
		return nil // nothing, or the directives of the next document
	}
	// The parser has panicked on hostile input before; that is an error of the file, not of the host.
	defer func() {
		if r := recover(); r != nil {
			l.syntax(file, chunk, offset, fmt.Sprintf("the YAML parser gave up: %v", r))
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(chunk))
	for {
		n := &yaml.Node{}
		err := dec.Decode(n)
		switch {
		case errors.Is(err, io.EOF):
			return docs
		case err != nil:
			l.syntax(file, chunk, offset, err.Error())
			return docs
		case n.Kind == yaml.DocumentNode && len(n.Content) == 1 && n.Content[0].ShortTag() != "!!null":
			docs = append(docs, document{node: n.Content[0], offset: offset})
		}
	}
}

// syntax reports what the YAML parser found. It tells at most the line, counted from 0 for some errors.
func (l *load) syntax(file string, chunk []byte, offset int, msg string) {
	l.lost = true
	line := 1
	m := syntaxLine.FindStringSubmatch(msg)
	if n, err := strconv.Atoi(m[1]); err == nil {
		line = n
		if strings.HasPrefix(m[2], "did not find expected") {
			line++
		}
	}
	msg = m[2]
	lines := strings.Split(string(chunk), "\n")
	line = max(1, min(line, len(lines)))
	for line > 1 && strings.TrimSpace(lines[line-1]) == "" {
		line-- // an error at the end is one of the last line with text
	}
	line, col, hint := locate(lines, line, msg)
	text := lines[line-1]
	col = utf8.RuneCountInString(text[:max(0, min(col, len(text)))]) + 1
	l.errorf(Pos{file, offset + line, col}, hint, "YAML syntax: %s", msg)
}

// locate finds the column (in bytes from 0) of what the parser complains of, the line where that is another, and
// says what is likely to be done.
func locate(lines []string, line int, msg string) (at, col int, hint string) {
	text := lines[line-1]
	start := len(text) - len(strings.TrimLeft(text, " "))
	switch {
	case strings.Contains(msg, "tab character"), strings.HasPrefix(text[start:], "\t"):
		return line, strings.IndexByte(text, '\t'), "indent with spaces"
	case strings.HasPrefix(msg, "mapping values are not allowed"):
		return line, strings.LastIndexByte(text, ':'), `put the value in quotes if it contains ": ", or check the indentation`
	case strings.HasPrefix(msg, "unknown anchor"):
		name, _, _ := strings.Cut(strings.TrimPrefix(msg, "unknown anchor '"), "'")
		hint = fmt.Sprintf("write &%s where the value stands, or put it in quotes if it is text", name)
		for i, s := range lines {
			if c := strings.Index(s, "*"+name); c >= 0 {
				return i + 1, c, hint
			}
		}
	case strings.Contains(msg, "cannot start any token"):
		return line, strings.IndexAny(text, "@`%"), "put the value in quotes"
	case strings.Contains(msg, "unexpected end of stream"):
		for i := line; i > 0; i-- {
			for _, quote := range []string{`"`, "'"} {
				if strings.Count(lines[i-1], quote)%2 == 1 {
					return i, strings.LastIndex(lines[i-1], quote), "close the quote"
				}
			}
		}
		return line, start, "close the quote"
	case strings.HasPrefix(msg, "did not find expected ','"):
		open := "["
		if strings.Contains(msg, "}") {
			open = "{"
		}
		return line, max(start, strings.LastIndex(text, open)), "close the bracket, or put values with special characters in quotes"
	case strings.HasPrefix(msg, "did not find expected"):
		hint = "check the indentation"
	}
	return line, start, hint
}
