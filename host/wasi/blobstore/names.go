package blobstore

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of names, in bytes.
const (
	maxContainerName = 200 // as it is written
	maxObjectName    = 1024
	// segment is how long a file's name may be; what is longer is cut into folders.
	segment = 200
)

// more ends the names of folders that begin a long object name; no name has it otherwise.
const more = "+"

// encode gives a name as files are called: letters in lower case, digits, "-", "_" and dots within are as they are, anything
// else is %XX. Upper case is encoded too, because file systems may not tell it apart. Names that begin with a dot are
// nobody's.
func encode(name string) string {
	var out strings.Builder
	for i := range len(name) {
		c := name[i]
		inner := i > 0 && i < len(name)-1
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' && inner {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// decode gives the name that encode made text of; false if it made it of none.
func decode(text string) (string, bool) {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out = append(out, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out = append(out, byte(c))
		i += 2
	}
	name := string(out)
	return name, encode(name) == text
}

// containerPath gives the folder of a container.
func containerPath(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("container name: %w", err)
	}
	text := encode(name)
	if len(text) > maxContainerName {
		return "", fmt.Errorf("container name: expected at most %d bytes, of which all but a-z, 0-9, - and _ count three times, found %d", maxContainerName, len(text))
	}
	return text, nil
}

// objectPath gives the file of an object within its container's folder.
func objectPath(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("object name: %w", err)
	}
	if len(name) > maxObjectName {
		return "", fmt.Errorf("object name: expected at most %d bytes, found %d", maxObjectName, len(name))
	}
	text := encode(name)
	var parts []string
	for len(text) > segment {
		parts = append(parts, text[:segment]+more)
		text = text[segment:]
	}
	return path.Join(append(parts, text)...), nil
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("expected a name, found an empty one")
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("expected UTF-8, found %q", name)
	}
	return nil
}
