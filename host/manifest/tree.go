package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The limits on values; aliases count each time they are used, which ends YAML bombs and cycles.
const (
	maxNodes = 50_000    // in one document
	maxTotal = 1_000_000 // in all
	maxDepth = 64
)

// tooBig ends the decoding of a document; decoder.run turns it into a diagnostic.
type tooBig struct {
	at   Pos
	what string
}

// pair is one entry of a mapping.
type pair struct {
	key, value *yaml.Node
}

// enter follows aliases and counts: every visit of a node goes through it.
func (d *decoder) enter(n *yaml.Node, depth int) *yaml.Node {
	d.visited++
	*d.total++
	switch {
	case d.visited > maxNodes:
		panic(tooBig{d.pos(n), fmt.Sprintf("the document has more than %d values, aliases counted as often as they are used", maxNodes)})
	case *d.total > maxTotal:
		panic(tooBig{d.pos(n), fmt.Sprintf("the manifest has more than %d values, aliases counted as often as they are used", maxTotal)})
	case depth > maxDepth:
		panic(tooBig{d.pos(n), fmt.Sprintf("the document is nested more than %d deep, or an alias contains itself", maxDepth)})
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return d.enter(n.Alias, depth+1)
	}
	return n
}

// pairs gives the entries of a mapping with merge keys (<<) applied, and reports keys that are not text or occur
// twice. fold tells whether keys compare without case, as field names do.
func (d *decoder) pairs(n *yaml.Node, p place, fold bool) []pair {
	out, seen := []pair{}, map[string]Pos{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := d.enter(n.Content[i], p.depth), n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Value == "<<" && key.ShortTag() == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.errorf(d.pos(key), "", "%s: want a name before the colon, found %s", p.show, found(key))
			continue
		}
		id := key.Value
		if fold {
			id = strings.ToLower(id)
		}
		if first, dup := seen[id]; dup {
			d.errorf(d.pos(key), "", "%s: %q is here a second time, first at line %d", p.show, key.Value, first.Line)
			continue
		}
		seen[id] = d.pos(key)
		out = append(out, pair{key, value})
	}
	for _, m := range merges {
		for _, e := range d.merged(m, p, fold) {
			id := e.key.Value
			if fold {
				id = strings.ToLower(id)
			}
			if _, own := seen[id]; !own {
				seen[id] = d.pos(e.key)
				out = append(out, e)
			}
		}
	}
	return out
}

// merged gives the entries that a merge key brings: of one mapping, or of a list of them.
func (d *decoder) merged(n *yaml.Node, p place, fold bool) []pair {
	p.depth++
	n = d.enter(n, p.depth)
	switch n.Kind {
	case yaml.MappingNode:
		return d.pairs(n, p, fold)
	case yaml.SequenceNode:
		var out []pair
		for _, c := range n.Content {
			out = append(out, d.merged(c, p, fold)...)
		}
		return out
	default:
		d.errorf(d.pos(n), "", "%s: want a mapping to merge after <<, found %s", p.show, found(n))
		return nil
	}
}

// plain turns a node into what encoding/json would read from it, as Dapr sees values of any type.
func (d *decoder) plain(n *yaml.Node, p place) any {
	p.depth++
	n = d.enter(n, p.depth)
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for _, e := range d.pairs(n, p, false) {
			m[e.key.Value] = d.plain(e.value, p)
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, d.plain(c, p))
		}
		return list
	default: // a scalar
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		b, _ := boolean(n)
		return b
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
		return d.float(n)
	case "!!float":
		return d.float(n)
	}
	if b, ok := boolean(n); ok {
		return b
	}
	return n.Value
}

// float gives a number, or the text where JSON has no such number (.inf, .nan).
func (d *decoder) float(n *yaml.Node) any {
	var f float64
	if n.Decode(&f) != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return n.Value
	}
	return f
}

// boolean reads a bool as Dapr's YAML reader does: unquoted yes, no, on and off are booleans too (YAML 1.1).
func boolean(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false, false
	}
	switch n.Value {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	default:
		return false, false
	}
}

// found describes a node for "want ..., found ...".
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default: // a scalar
	}
	text := shorten(n.Value)
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return text
	case "!!int", "!!float":
		return "the number " + text
	case "!!str", "!!timestamp":
		return "the text " + strconv.Quote(text)
	default:
		return "a value tagged " + shorten(n.Tag)
	}
}

// shorten keeps messages on one short line.
func shorten(s string) string { return shortenTo(s, 60) }

func shortenTo(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "..."
}
