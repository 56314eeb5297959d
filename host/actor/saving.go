package actor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// saving is what is kept of a sleeping actor: its memory, and its timers as they were at a time.
type saving struct {
	at     time.Time
	timers []schedule.Timer[timerPayload]
	memory []byte
}

// A record is a version, the length of the timers as a varint, the timers as JSON (nothing if there are none), and the
// memory.
const savingVersion = 1

// savedTimers are the timers in a record.
type savedTimers struct {
	AtMS   int64                          `json:"at"`
	Timers []schedule.Timer[timerPayload] `json:"timers"`
}

func (s saving) bytes() ([]byte, error) {
	var timers []byte
	if len(s.timers) > 0 {
		var err error
		if timers, err = json.Marshal(savedTimers{AtMS: s.at.UnixMilli(), Timers: s.timers}); err != nil {
			return nil, fmt.Errorf("timers: %w", err)
		}
	}
	out := make([]byte, 0, len(timers)+len(s.memory)+12)
	out = append(out, savingVersion)
	out = binary.AppendUvarint(out, uint64(len(timers)))
	out = append(out, timers...)
	return append(out, s.memory...), nil
}

func readSaving(data []byte) (saving, error) {
	if len(data) == 0 || data[0] != savingVersion {
		return saving{}, errors.New("the record is of another version of the host")
	}
	n, k := binary.Uvarint(data[1:])
	if k <= 0 || n > uint64(len(data)-1-k) {
		return saving{}, errors.New("the record is cut off")
	}
	rest := data[1+k:]
	out := saving{memory: rest[n:]}
	if n > 0 {
		var timers savedTimers
		if err := json.Unmarshal(rest[:n], &timers); err != nil {
			return saving{}, fmt.Errorf("the record's timers: %w", err)
		}
		out.at, out.timers = time.UnixMilli(timers.AtMS), timers.Timers
	}
	return out, nil
}

// due gives the timers as they are at a later time: what came while the actor slept is due at once.
func (s saving) due(now time.Time) []schedule.Timer[timerPayload] {
	slept := max(0, now.Sub(s.at))
	for i := range s.timers {
		s.timers[i] = s.timers[i].Later(slept)
	}
	return s.timers
}
