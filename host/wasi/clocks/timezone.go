package clocks

import (
	"context"
	"time"

	abiclocks "github.com/mrt-wasm/mrt-wasm/abi/wasi/clocks"
)

// maxSeconds is the last time that has a zone, in seconds since 1970; the calendar of time.Time ends far behind it.
const maxSeconds = 1 << 40

type timezone struct{ location *time.Location }

var _ abiclocks.TimezoneHost = (*timezone)(nil)

// Display tells how to show when: UTC if the zone's rules do not reach it.
func (z *timezone) Display(_ context.Context, when abiclocks.Datetime) abiclocks.TimezoneDisplay {
	if when.Seconds > maxSeconds {
		return abiclocks.TimezoneDisplay{Name: "UTC"}
	}
	t := time.Unix(int64(when.Seconds), 0).In(z.location)
	name, offset := t.Zone()
	if offset <= -24*60*60 || offset >= 24*60*60 {
		return abiclocks.TimezoneDisplay{Name: "UTC"}
	}
	if name == "" {
		name = t.Format("-07:00")
	}
	return abiclocks.TimezoneDisplay{UtcOffset: int32(offset), Name: name, InDaylightSavingTime: t.IsDST()}
}

// UtcOffset is the offset of Display, in seconds.
func (z *timezone) UtcOffset(ctx context.Context, when abiclocks.Datetime) int32 {
	return z.Display(ctx, when).UtcOffset
}
