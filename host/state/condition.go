package state

// Condition says what must hold for a write, so that every driver reads etag and concurrency the same way.
type Condition uint8

// The conditions of a write.
const (
	// Always writes.
	Always Condition = iota
	// IfAbsent writes only a key that does not exist.
	IfAbsent
	// IfMatch writes only while the etag is current.
	IfMatch
)

// Condition gives the condition of the write and its etag.
func (r *SetRequest) Condition() (Condition, string) {
	switch {
	case r.Concurrency == LastWrite:
		return Always, ""
	case r.ETag != nil && *r.ETag != "":
		return IfMatch, *r.ETag
	case r.Concurrency == FirstWrite:
		return IfAbsent, ""
	default:
		return Always, ""
	}
}

// Condition gives the condition of the delete and its etag; it is never IfAbsent.
func (r *DeleteRequest) Condition() (Condition, string) {
	if r.Concurrency != LastWrite && r.ETag != nil && *r.ETag != "" {
		return IfMatch, *r.ETag
	}
	return Always, ""
}
