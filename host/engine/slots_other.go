//go:build !linux

package engine

// imageFile is not there on this system: instances get copies of their image.
type imageFile struct{}

func (*imageFile) close([]byte) {}

func newMappedImage([]byte, uint64) (*image, error) { return nil, errNoImages }

// slotBudget bounds nothing on this system.
type slotBudget struct{}

func newSlotBudget(int64) *slotBudget { return &slotBudget{} }

func systemSlots() int64 { return 0 }

// slots are not there on this system.
type slots struct{ size uint64 }

func newSlots(size uint64, _ int, _ *slotBudget) *slots { return &slots{size: size} }

func (*slots) take(*image) ([]byte, error) { return nil, errNoImages }

func (*slots) give([]byte) error { return errNoImages }

func (*slots) close() {}
