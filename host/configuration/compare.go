package configuration

import (
	"maps"
	"slices"
	"strings"
)

// compare gives what has changed: items as they are now against what was delivered. asked are the keys that were read;
// all says that it was everything that the subscription watches. The changes are in the order of the keys.
func compare(items []Item, delivered map[string]mark, asked []string, all bool) []Item {
	seen := make(map[string]bool, len(items))
	var out []Item
	for _, item := range items {
		if seen[item.Key] {
			continue
		}
		seen[item.Key] = true
		item.Deleted = false
		if was, ok := delivered[item.Key]; !ok || was != markOf(&item) {
			out = append(out, item)
		}
	}
	gone := asked
	if all {
		gone = slices.Collect(maps.Keys(delivered))
	}
	for _, key := range gone {
		if _, had := delivered[key]; had && !seen[key] {
			out = append(out, Item{Key: key, Deleted: true})
			seen[key] = true
		}
	}
	slices.SortFunc(out, func(a, b Item) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// apply notes changes as delivered.
func apply(delivered map[string]mark, changes []Item) {
	for i := range changes {
		if changes[i].Deleted {
			delete(delivered, changes[i].Key)
		} else {
			delivered[changes[i].Key] = markOf(&changes[i])
		}
	}
}
