package host

import (
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abiwasicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	abiwasiclocks "github.com/mrt-wasm/mrt-wasm/abi/wasi/clocks"
	abiwasifilesystem "github.com/mrt-wasm/mrt-wasm/abi/wasi/filesystem"
	abiwasihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiwasiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	abiwasirandom "github.com/mrt-wasm/mrt-wasm/abi/wasi/random"
	abiwasisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// provider is a part of the host that apps can import.
type provider struct {
	name string
	// line is what the manifest has to say for it to be of use; empty for nothing.
	line  string
	funcs []abi.Func
}

// providers are all parts that apps can import. Their functions have no session behind them: they tell names and types,
// and cannot be called.
func providers() []provider {
	return append([]provider{
		{"log", "", abilog.LoggerFuncs(nil)},
		{"http", "spec.allow.hosts", abihttp.ClientFuncs(nil)},
		{"invoke", "", abiinvoke.ClientFuncs(nil)},
		{"state", componentLine("state", true), abistate.StoreFuncs(nil)},
		{"pubsub", componentLine("pubsub", true), abipubsub.PublisherFuncs(nil)},
		{"binding", componentLine("bindings", false), abibinding.OutputFuncs(nil)},
		{"secret", componentLine("secretstores", true), abisecret.StoreFuncs(nil)},
		{"configuration", componentLine("configuration", true), abiconfiguration.StoreFuncs(nil)},
		{"lock", componentLine("lock", true), abilock.StoreFuncs(nil)},
		{"crypto", componentLine("crypto", false), slices.Concat(abicrypto.CipherFuncs(nil), abicrypto.SubtleFuncs(nil))},
		{"actor", "spec.actors", slices.Concat(abiactor.ContextFuncs(nil), abiactor.StateFuncs(nil), abiactor.TimersFuncs(nil), abiactor.RemindersFuncs(nil))},
		{"actor", "", abiactor.ClientFuncs(nil)},
	}, append(wasiProviders(), standardProviders()...)...)
}

// componentLine says which component a block needs.
func componentLine(kind string, embedded bool) string {
	line := "a Component of type " + kind + ".*"
	if embedded {
		line += ", or the embedded default"
	}
	return line
}

// wasiProviders are those of WASI 0.2.
func wasiProviders() []provider {
	return []provider{
		{"wasi:io", "", slices.Concat(abiwasiio.ErrorFuncs(), abiwasiio.PollFuncs(nil), abiwasiio.StreamsFuncs())},
		{"wasi:clocks", "", slices.Concat(abiwasiclocks.MonotonicClockFuncs(nil), abiwasiclocks.WallClockFuncs(nil), abiwasiclocks.TimezoneFuncs(nil))},
		{"wasi:random", "", slices.Concat(abiwasirandom.RandomFuncs(nil), abiwasirandom.InsecureFuncs(nil), abiwasirandom.InsecureSeedFuncs(nil))},
		{"wasi:cli", "", slices.Concat(
			abiwasicli.EnvironmentFuncs(nil), abiwasicli.ExitFuncs(nil), abiwasicli.StdinFuncs(nil), abiwasicli.StdoutFuncs(nil), abiwasicli.StderrFuncs(nil),
			abiwasicli.TerminalInputFuncs(), abiwasicli.TerminalOutputFuncs(), abiwasicli.TerminalStdinFuncs(nil), abiwasicli.TerminalStdoutFuncs(nil),
			abiwasicli.TerminalStderrFuncs(nil),
		)},
		{"wasi:filesystem", "spec.dirs", slices.Concat(abiwasifilesystem.TypesFuncs(nil), abiwasifilesystem.PreopensFuncs(nil))},
		{"wasi:sockets", "spec.allow.sockets", slices.Concat(
			abiwasisockets.NetworkFuncs(nil), abiwasisockets.InstanceNetworkFuncs(nil), abiwasisockets.IPNameLookupFuncs(nil),
			abiwasisockets.TCPFuncs(), abiwasisockets.TCPCreateSocketFuncs(nil), abiwasisockets.UDPFuncs(), abiwasisockets.UDPCreateSocketFuncs(nil),
		)},
		{"wasi:http", "", abiwasihttp.TypesFuncs(nil)},
		{"wasi:http", "spec.allow.hosts", abiwasihttp.OutgoingHandlerFuncs(nil)},
	}
}

// handlers tell what calls the interfaces that apps export, by interface.
func handlers() map[string]string {
	out := map[string]string{
		abihttp.HandlerModule:             "requests of the front door (spec.http.routes)",
		abiwasihttp.IncomingHandlerModule: "requests of the front door, streaming (spec.http.routes)",
		abiinvoke.ServiceModule:           "service invocation by other apps and the API",
		abipubsub.SubscriberModule:        "messages of a Subscription",
		abipubsub.BulkSubscriberModule:    "messages of a Subscription with bulkSubscribe",
		abibinding.TriggerModule:          "events of an input binding (a Component of type bindings.*)",
		abiconfiguration.HandlerModule:    "changes of configuration (spec.configuration)",
		abiactor.ActorModule:              "turns of its actors (spec.actors)",
		abiwasicli.RunModule:              "mrt-wasm run FILE.wasm, once",
	}
	maps.Copy(out, standardHandlers())
	return out
}
