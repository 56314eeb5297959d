package pubsub

import (
	"encoding/json"
	"slices"
	"strings"
)

// members are the members of a JSON object, in their order: names are few, so looking through them is faster than a
// map, and values stay where they are in the message.
type members []member

type member struct {
	name  string
	value json.RawMessage
}

// get gives a member's value, nil if there is none; the last one of a name counts.
func (m members) get(name string) json.RawMessage {
	for _, one := range slices.Backward(m) {
		if one.name == name {
			return one.value
		}
	}
	return nil
}

// parseObject gives the members of data; ok is false if data is not a JSON object.
func parseObject(data []byte) (out members, ok bool) {
	if !json.Valid(data) {
		return nil, false
	}
	// From here on data is known to be valid, and indexes stay within it.
	at := skipSpace(data, 0)
	if data[at] != '{' {
		return nil, false
	}
	out = make(members, 0, 16)
	for at = skipSpace(data, at+1); data[at] != '}'; {
		end := skipValue(data, at)
		name := text(data[at:end])
		at = skipSpace(data, skipSpace(data, end)+1) // past the colon
		end = skipValue(data, at)
		out = append(out, member{name, data[at:end]})
		if at = skipSpace(data, end); data[at] == ',' {
			at = skipSpace(data, at+1)
		}
	}
	return out, true
}

func skipSpace(data []byte, at int) int {
	for data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r' {
		at++
	}
	return at
}

// skipValue gives the end of the value that begins at at.
func skipValue(data []byte, at int) int {
	switch data[at] {
	case '"':
		return skipString(data, at)
	case '{', '[':
		for depth := 0; ; {
			switch data[at] {
			case '"':
				at = skipString(data, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			at++
			if depth == 0 {
				return at
			}
		}
	default:
		for at < len(data) && !strings.ContainsRune(" \n\t\r,}]", rune(data[at])) {
			at++
		}
		return at
	}
}

func skipString(data []byte, at int) int {
	for at++; data[at] != '"'; at++ {
		if data[at] == '\\' {
			at++
		}
	}
	return at + 1
}
