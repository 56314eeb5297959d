//go:build wasip1

package warmup

//go:wasmexport mrt:app/warmup
func warmup() { Run() }
