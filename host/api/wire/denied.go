package wire

// DeniedError says that a request to the outside is not allowed.
type DeniedError struct {
	// Reason says what is not allowed and what to do.
	Reason string
}

// Error gives the reason.
func (e *DeniedError) Error() string { return e.Reason }
