package host

// lowMemory is the part of the memory, as a divisor, below which actors are put away; awayAtOnce is the part of them that
// is, each time.
const (
	lowMemory  = 10
	awayAtOnce = 10
)

// memoryPressure says how many actors to put away now. The memory that counts is the system's, or that of the control
// group that the host runs in.
func (h *Host) memoryPressure() int {
	available, total, ok := memory()
	if !ok || available >= total/lowMemory {
		return 0
	}
	active := int64(0)
	for _, s := range h.blocks.actor.Stats() {
		active += s.Active
	}
	if active > 0 {
		h.log.Warn("memory is short: idle actors are put away", "availableMiB", available>>20, "totalMiB", total>>20, "active", active)
	}
	return int(active+awayAtOnce-1) / awayAtOnce
}
