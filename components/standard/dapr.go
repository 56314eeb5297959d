package standard

import (
	_ "embed"
	"strings"
)

// daprTypes has Dapr's types, one a line, each with its versions where there are several.
//
//go:embed dapr.txt
var daprTypes string

// DaprTypes gives the types of Dapr's components by name, each with its versions where there are several. The full flavour
// has them all; this package has some.
func DaprTypes() map[string][]string {
	types := map[string][]string{}
	for line := range strings.Lines(daprTypes) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			types[fields[0]] = fields[1:]
		}
	}
	return types
}
