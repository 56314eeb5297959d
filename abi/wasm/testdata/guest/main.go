// Command guest is a small standard Go guest for tests of the codec.
package main

import "fmt"

//go:wasmexport greet
func greet(n int32) int32 {
	return int32(len(fmt.Sprintf("%d %v", n, map[string]int32{"n": n})))
}

func main() {}
