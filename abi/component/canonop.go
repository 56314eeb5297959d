package component

import "fmt"

// The canonical definitions of the async and threads features. They decode and validate; nothing runs them yet.
const (
	CanonTaskCancel                 CanonOp = 0x05
	CanonSubtaskCancel              CanonOp = 0x06
	CanonTaskReturn                 CanonOp = 0x09
	CanonContextGet                 CanonOp = 0x0a
	CanonContextSet                 CanonOp = 0x0b
	CanonThreadYield                CanonOp = 0x0c
	CanonSubtaskDrop                CanonOp = 0x0d
	CanonStreamNew                  CanonOp = 0x0e
	CanonStreamRead                 CanonOp = 0x0f
	CanonStreamWrite                CanonOp = 0x10
	CanonStreamCancelRead           CanonOp = 0x11
	CanonStreamCancelWrite          CanonOp = 0x12
	CanonStreamDropReadable         CanonOp = 0x13
	CanonStreamDropWritable         CanonOp = 0x14
	CanonFutureNew                  CanonOp = 0x15
	CanonFutureRead                 CanonOp = 0x16
	CanonFutureWrite                CanonOp = 0x17
	CanonFutureCancelRead           CanonOp = 0x18
	CanonFutureCancelWrite          CanonOp = 0x19
	CanonFutureDropReadable         CanonOp = 0x1a
	CanonFutureDropWritable         CanonOp = 0x1b
	CanonErrorContextNew            CanonOp = 0x1c
	CanonErrorContextDebugMessage   CanonOp = 0x1d
	CanonErrorContextDrop           CanonOp = 0x1e
	CanonWaitableSetNew             CanonOp = 0x1f
	CanonWaitableSetWait            CanonOp = 0x20
	CanonWaitableSetPoll            CanonOp = 0x21
	CanonWaitableSetDrop            CanonOp = 0x22
	CanonWaitableJoin               CanonOp = 0x23
	CanonBackpressureInc            CanonOp = 0x24
	CanonBackpressureDec            CanonOp = 0x25
	CanonThreadIndex                CanonOp = 0x26
	CanonThreadNewIndirect          CanonOp = 0x27
	CanonThreadResumeLater          CanonOp = 0x28
	CanonThreadSuspend              CanonOp = 0x29
	CanonThreadSuspendThenResume    CanonOp = 0x2a
	CanonThreadYieldThenResume      CanonOp = 0x2b
	CanonThreadSuspendThenPromote   CanonOp = 0x2c
	CanonThreadYieldThenPromote     CanonOp = 0x2d
	CanonThreadSpawnRef             CanonOp = 0x40
	CanonThreadSpawnIndirect        CanonOp = 0x41
	CanonThreadAvailableParallelism CanonOp = 0x42
)

// canonNames are the canonical definitions by their code; those without a name do not exist.
var canonNames = [...]string{
	CanonLift: "lift", CanonLower: "lower", CanonResourceNew: "resource.new", CanonResourceDrop: "resource.drop",
	CanonResourceRep: "resource.rep", CanonTaskCancel: "task.cancel", CanonSubtaskCancel: "subtask.cancel",
	CanonTaskReturn: "task.return", CanonContextGet: "context.get", CanonContextSet: "context.set",
	CanonThreadYield: "thread.yield", CanonSubtaskDrop: "subtask.drop", CanonStreamNew: "stream.new",
	CanonStreamRead: "stream.read", CanonStreamWrite: "stream.write", CanonStreamCancelRead: "stream.cancel-read",
	CanonStreamCancelWrite: "stream.cancel-write", CanonStreamDropReadable: "stream.drop-readable",
	CanonStreamDropWritable: "stream.drop-writable", CanonFutureNew: "future.new", CanonFutureRead: "future.read",
	CanonFutureWrite: "future.write", CanonFutureCancelRead: "future.cancel-read",
	CanonFutureCancelWrite: "future.cancel-write", CanonFutureDropReadable: "future.drop-readable",
	CanonFutureDropWritable: "future.drop-writable", CanonErrorContextNew: "error-context.new",
	CanonErrorContextDebugMessage: "error-context.debug-message", CanonErrorContextDrop: "error-context.drop",
	CanonWaitableSetNew: "waitable-set.new", CanonWaitableSetWait: "waitable-set.wait",
	CanonWaitableSetPoll: "waitable-set.poll", CanonWaitableSetDrop: "waitable-set.drop",
	CanonWaitableJoin: "waitable.join", CanonBackpressureInc: "backpressure.inc",
	CanonBackpressureDec: "backpressure.dec", CanonThreadIndex: "thread.index",
	CanonThreadNewIndirect: "thread.new-indirect", CanonThreadResumeLater: "thread.resume-later",
	CanonThreadSuspend: "thread.suspend", CanonThreadSuspendThenResume: "thread.suspend-then-resume",
	CanonThreadYieldThenResume: "thread.yield-then-resume", CanonThreadSuspendThenPromote: "thread.suspend-then-promote",
	CanonThreadYieldThenPromote: "thread.yield-then-promote", CanonThreadSpawnRef: "thread.spawn-ref",
	CanonThreadSpawnIndirect: "thread.spawn-indirect", CanonThreadAvailableParallelism: "thread.available-parallelism",
}

func (o CanonOp) known() bool { return int(o) < len(canonNames) && canonNames[o] != "" }

// String gives the name of the text format, for example "resource.drop".
func (o CanonOp) String() string {
	if o.known() {
		return canonNames[o]
	}
	return fmt.Sprintf("canonical definition %#02x", byte(o))
}

// sortNames are the sorts in the order of their constants.
var sortNames = [sortCount]string{
	"core function", "core table", "core memory", "core global", "core tag", "core type", "core module", "core instance",
	"function", "value", "type", "component", "instance",
}

// String names the sort, for example "core function".
func (s Sort) String() string {
	if s < sortCount {
		return sortNames[s]
	}
	return fmt.Sprintf("sort(%d)", uint8(s))
}

// kindNames are the kinds of value types in the order of their constants.
var kindNames = [...]string{
	"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string", "error-context",
	"record", "variant", "list", "fixed-length list", "tuple", "flags", "enum", "option", "result", "own", "borrow",
	"stream", "future", "map",
}

// String names the kind, for example "record".
func (k ValueKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}
