package manifest

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
)

// maxCEL bounds an expression, in bytes, and with it the time for its check.
const maxCEL = 4096

// checkEventCEL checks a routing rule. As in Dapr it may use any variable beside event.
func checkEventCEL(text string) error {
	return checkCEL(text, true, cel.Variable("event", cel.DynType))
}

// checkTripCEL checks when a circuit breaker opens.
func checkTripCEL(text string) error {
	var vars []cel.EnvOption
	for _, name := range []string{"requests", "totalSuccesses", "totalFailures", "consecutiveSuccesses", "consecutiveFailures"} {
		vars = append(vars, cel.Variable(name, cel.IntType))
	}
	return checkCEL(text, false, vars...)
}

func checkCEL(text string, anyVariable bool, vars ...cel.EnvOption) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if len(text) > maxCEL {
		return fmt.Errorf("want a CEL expression of at most %d bytes, found %d", maxCEL, len(text))
	}
	env, err := cel.NewEnv(vars...)
	if err != nil {
		return fmt.Errorf("cannot check the CEL expression: %w", err)
	}
	ast, issues := env.Compile(text)
	undeclared := false
	if issues != nil {
		for _, e := range issues.Errors() {
			if anyVariable && strings.HasPrefix(e.Message, "undeclared reference to '") && !strings.Contains(text, name(e.Message)+"(") {
				undeclared = true
				continue
			}
			return &hintError{
				"want a CEL expression: " + celMessage(e.Message), celHint(text, vars, e.Message),
				celOffset(text, e.Location.Line(), e.Location.Column()),
			}
		}
	}
	if undeclared || ast == nil {
		return nil
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return fmt.Errorf("want a CEL expression that is true or false, found one of type %s", out)
	}
	return nil
}

// name is what an "undeclared reference to 'x'" names.
func name(message string) string {
	_, after, _ := strings.Cut(message, "'")
	before, _, _ := strings.Cut(after, "'")
	return before
}

// celMessage keeps of an error of the CEL parser what helps: no list of all possible tokens.
func celMessage(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	message, _, _ = strings.Cut(strings.TrimPrefix(message, "Syntax error: "), " expecting ")
	if strings.Contains(message, "<EOF>") {
		return "it ends too early"
	}
	return shortenTo(strings.TrimSuffix(message, " (in container '')"), 160)
}

// celHint suggests a variable for a misspelled one, and the operator that is meant.
func celHint(text string, vars []cel.EnvOption, message string) string {
	switch {
	case strings.HasPrefix(message, "undeclared reference to '") && len(vars) > 1:
		return didYouMean(name(message), []string{"requests", "totalSuccesses", "totalFailures", "consecutiveSuccesses", "consecutiveFailures"})
	case strings.Contains(message, "token recognition error at: '= '"), strings.Contains(text, " = "):
		return "compare with =="
	default:
		return ""
	}
}

// celOffset is a place in an expression, in characters; only one on its first line can be shown in the manifest.
func celOffset(text string, line, col int) int {
	if line != 1 || col < 0 || col > utf8.RuneCountInString(text) {
		return 0
	}
	return col
}
