package engine

// SetSlots sets how many instances with mapped memory the engine may have.
func SetSlots(e *Engine, n int64) { e.slots.total = n }
