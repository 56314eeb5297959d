package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// closest gives the candidate that word is most likely a misspelling of, or "".
func closest(word string, candidates []string) string {
	if len(word) > 100 {
		return "" // nobody misspells that much, and the distance costs the product of the lengths
	}
	low := strings.ToLower(word)
	best, bestDist := "", 0
	for _, c := range candidates {
		limit := max(1, min(len(word), len(c))/3)
		dist := levenshtein.ComputeDistance(low, strings.ToLower(c))
		if dist <= limit && dist < len(word) && (best == "" || dist < bestDist) {
			best, bestDist = c, dist
		}
	}
	return best
}

// DidYouMean gives the suggestion for a misspelled word, for Diagnostic.Suggestion: the closest candidate, else all of
// them if they are few, else nothing.
func DidYouMean(word string, candidates []string) string { return didYouMean(word, candidates) }

// didYouMean gives the suggestion for a misspelled word: the closest candidate, else all of them if they are few.
func didYouMean(word string, candidates []string) string {
	if c := closest(word, candidates); c != "" {
		return fmt.Sprintf("did you mean %q?", c)
	}
	if len(candidates) == 0 || len(candidates) > 16 {
		return ""
	}
	return "it is one of " + strings.Join(candidates, ", ")
}

// declared is the suggestion for a name that nothing has: the closest, else all names of that kind.
func declared(word, kind string, names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "no " + kind + " is declared"
	}
	if c := closest(word, names); c != "" {
		return fmt.Sprintf("did you mean %q?", c)
	}
	const few = 16
	if len(names) > few {
		return fmt.Sprintf("%d are declared, among them %s", len(names), strings.Join(names[:few], ", "))
	}
	return "declared: " + strings.Join(names, ", ")
}
