package component

import "fmt"

// canonDef reads a canonical definition.
func canonDef(r *reader) *CanonDef {
	at := r.pos
	c := &CanonDef{Op: CanonOp(r.byte()), Opts: noOptions()}
	if !c.Op.known() && !r.failed() {
		r.failAt(at, "a canonical definition", "%#02x", byte(c.Op))
		return c
	}
	switch c.Op {
	case CanonLift:
		r.expect(0, "the sort function")
		c.Func, c.Opts, c.Type = r.u32(), canonOpts(r), r.u32()
	case CanonLower:
		r.expect(0, "the sort function")
		c.Func, c.Opts = r.u32(), canonOpts(r)
	case CanonTaskReturn:
		c.Result, c.Opts = resultList(r), canonOpts(r)
	case CanonContextGet, CanonContextSet:
		c.Immediates = []uint32{uint32(coreValType(r)), r.u32()}
	case CanonWaitableSetWait, CanonWaitableSetPoll:
		c.Async, c.Immediates = r.flag("cancellable"), []uint32{r.u32()}
	case CanonStreamRead, CanonStreamWrite, CanonFutureRead, CanonFutureWrite:
		c.Type, c.Opts = r.u32(), canonOpts(r)
	case CanonStreamCancelRead, CanonStreamCancelWrite, CanonFutureCancelRead, CanonFutureCancelWrite:
		c.Type, c.Async = r.u32(), r.flag("async")
	case CanonErrorContextNew, CanonErrorContextDebugMessage:
		c.Opts = canonOpts(r)
	case CanonThreadNewIndirect:
		c.Type, c.Immediates = r.u32(), []uint32{r.u32()}
	case CanonThreadSpawnRef:
		c.Async, c.Type = r.flag("shared"), r.u32()
	case CanonThreadSpawnIndirect:
		c.Async, c.Type, c.Immediates = r.flag("shared"), r.u32(), []uint32{r.u32()}
	default:
		c.rest(r)
	}
	return c
}

// rest reads the immediates of the definitions that have one or none.
func (c *CanonDef) rest(r *reader) {
	switch c.Op {
	case CanonResourceNew, CanonResourceDrop, CanonResourceRep, CanonStreamNew, CanonStreamDropReadable,
		CanonStreamDropWritable, CanonFutureNew, CanonFutureDropReadable, CanonFutureDropWritable:
		c.Type = r.u32()
	case CanonSubtaskCancel, CanonThreadSuspend, CanonThreadYield, CanonThreadSuspendThenResume,
		CanonThreadYieldThenResume, CanonThreadSuspendThenPromote, CanonThreadYieldThenPromote,
		CanonThreadAvailableParallelism:
		c.Async = r.flag("async, cancellable or shared")
	default:
	}
}

func noOptions() CanonOpts { return CanonOpts{Memory: -1, Realloc: -1, PostReturn: -1, Callback: -1} }

// optionNames are the options by their code.
var optionNames = [...]string{
	"string-encoding=utf8", "string-encoding=utf16", "string-encoding=latin1+utf16", "memory", "realloc", "post-return",
	"async", "callback",
}

// canonOpts reads options: each at most once, and one string encoding at most.
func canonOpts(r *reader) CanonOpts {
	o := noOptions()
	var seen [len(optionNames)]bool
	n := r.items(MaxOptions, "options")
	for i := 0; i < n && !r.failed(); i++ {
		at := r.pos
		code := r.byte()
		if int(code) >= len(optionNames) {
			r.failAt(at, fmt.Sprintf("an option (0x00 to %#02x)", len(optionNames)-1), "%#02x", code)
			return o
		}
		slot := code
		if code <= byte(Latin1UTF16) {
			slot = 0
		}
		if seen[slot] {
			r.failAt(at, "each option once, and one string encoding", "%s in addition", optionNames[code])
			return o
		}
		seen[slot] = true
		o.set(r, code)
	}
	return o
}

func (o *CanonOpts) set(r *reader, code byte) {
	switch code {
	case 3:
		o.Memory = int64(r.u32())
	case 4:
		o.Realloc = int64(r.u32())
	case 5:
		o.PostReturn = int64(r.u32())
	case 6:
		o.Async = true
	case 7:
		o.Callback = int64(r.u32())
	default:
		o.Encoding, o.HasEncoding = Encoding(code), true
	}
}
