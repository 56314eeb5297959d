//go:build wasip1

package log

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/log/logger"

func backendThreshold() Level { return Level(logger.Threshold()) }

func backendLog(l Level, msg string, attrs []attr) {
	list := make([]logger.Attr, len(attrs))
	for i, a := range attrs {
		list[i] = logger.Attr{Key: a.key, Value: a.value}
	}
	logger.Log(logger.Level(l), msg, list)
}
