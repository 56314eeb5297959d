// Package querier adds queries to a state store: see package driver. Importing it makes the module export
// mrt:state/querier.
package querier

// Item is one result.
type Item struct {
	// Key has its prefix.
	Key   string
	Value []byte
	// ETag is empty if the store has none.
	ETag string
}

// Page is a page of results.
type Page struct {
	Items []Item
	// Token stands in the query's page for the next one; empty at the end.
	Token    string
	Metadata map[string]string
}

// Querier is a store that runs queries.
type Querier interface {
	// Query runs a query in Dapr's JSON form (filter, sort, page) over the keys that start with prefix and have no further
	// "||" after it.
	Query(prefix, query string, metadata map[string]string) (Page, error)
}

var registered Querier

// Register makes q run the module's queries. Call it in an init function.
func Register(q Querier) { registered = q }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Querier { return registered }
