package pubsub

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
)

// rule is one routing rule; a nil program matches always.
type rule struct {
	match, path string
	program     cel.Program
}

// routes find the path of an event.
type routes struct {
	rules []rule
	// fallback is the default route; empty if there is none.
	fallback string
	any      bool // some rule has to look at the event
}

// compileRoutes compiles the rules of a subscription. All errors are given at once.
func compileRoutes(d SubscriptionDecl) (*routes, error) {
	r := &routes{fallback: d.Default}
	env, err := cel.NewEnv(cel.Variable("event", cel.DynType), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true))
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, decl := range d.Rules {
		compiled := rule{match: decl.Match, path: decl.Path}
		if decl.Match != "" {
			compiled.program, err = compile(env, decl.Match)
			r.any = true
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: subscription %s: rule %d: match %q: %w", d.Where, d.Name, i+1, decl.Match, err))
		}
		r.rules = append(r.rules, compiled)
	}
	return r, errors.Join(errs...)
}

func compile(env *cel.Env, match string) (cel.Program, error) {
	ast, issues := env.Compile(match)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("want a CEL expression over event: %w", err)
	}
	if t := ast.OutputType(); t != cel.BoolType && t != cel.DynType {
		return nil, fmt.Errorf("want a CEL expression that is true or false, found one that is a %s", t)
	}
	return env.Program(ast)
}

// find gives the path of the first rule that matches, or the default route. A rule that fails, for example because the
// event has no such field, does not match. ok is false when nothing matches.
func (r *routes) find(e *event, raw bool) (path string, ok bool, err error) {
	if len(r.rules) == 0 {
		return r.fallback, true, nil // a subscription without any route takes everything
	}
	var vars map[string]any
	if r.any {
		tree, err := e.tree(raw)
		if err != nil {
			return "", false, err
		}
		vars = map[string]any{"event": tree}
	}
	for _, rule := range r.rules {
		if rule.program == nil {
			return rule.path, true, nil
		}
		value, _, err := rule.program.Eval(vars)
		if err != nil {
			continue
		}
		if matched, isBool := value.Value().(bool); isBool && matched {
			return rule.path, true, nil
		}
	}
	return r.fallback, r.fallback != "", nil
}
