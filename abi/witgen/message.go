package witgen

import (
	"regexp"
	"strings"
)

// message makes one of a parser's message: the place in the user's own file, what is wrong, and the lines that show it.
func (l *layouter) message(msg string) string {
	for copied, from := range l.real {
		msg = strings.ReplaceAll(msg, copied, from)
	}
	msg = strings.ReplaceAll(strings.TrimPrefix(msg, "wasm-tools: "), l.dir, l.path)
	var what, where string
	var shown []string
	list := false // of known packages, under a line that ends in a colon
	for line := range strings.SplitSeq(msg, "\n") {
		text := strings.TrimSpace(line)
		place, isPlace := strings.CutPrefix(text, "--> ")
		switch {
		case isPlace:
			where = place
		case where != "":
			shown = append(shown, line)
		case text == "":
			list = false
		case list:
			what += " " + text
		case where == "" && text != "Caused by:":
			// Each line is the cause of the one before; the last one says it.
			list = strings.HasSuffix(text, ":")
			what = strings.TrimPrefix(causeNumber.ReplaceAllString(text, ""), "error: ")
		}
	}
	if where == "" {
		return strings.TrimSpace(msg)
	}
	return where + ": " + what + "\n" + strings.TrimRight(strings.Join(shown, "\n"), "\n ")
}

// causeNumber is how the parser numbers causes.
var causeNumber = regexp.MustCompile(`^\d+: `)
