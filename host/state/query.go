package state

// Query is a parsed query in Dapr's form.
type Query struct {
	// Prefix is what every key of the result starts with. Dapr ignores the app's prefix here; we do not.
	Prefix string
	// Filter is nil to match everything.
	Filter *Filter
	Sort   []SortKey
	// Limit is the page's size; 0 means all. Token is where it starts; empty for the first.
	Limit    int
	Token    string
	Metadata map[string]string
}

// Filter is one node of a filter. EQ, NEQ, GT, GTE, LT, LTE and IN have Key and Values (one, or for IN several); AND
// and OR have Filters.
type Filter struct {
	Op string
	// Key is a path of object fields in the value, joined by dots.
	Key string
	// Values are strings, json.Numbers, booleans or nil.
	Values  []any
	Filters []Filter
}

// SortKey orders results by a field of the value.
type SortKey struct {
	Key  string
	Desc bool
}

// QueryPage is a page of results.
type QueryPage struct {
	Items    []QueryItem
	Token    string
	Metadata map[string]string
}

// QueryItem is one result.
type QueryItem struct {
	Key   string
	Value []byte
	ETag  *string
}
