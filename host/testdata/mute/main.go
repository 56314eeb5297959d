// Command mute exports nothing that a host could call.
package main

func main() {}
