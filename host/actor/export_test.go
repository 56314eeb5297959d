package actor

import (
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Hosts are the host's sides of what an app imports.
type Hosts struct {
	Context   abiactor.ContextHost
	State     abiactor.StateHost
	Timers    abiactor.TimersHost
	Reminders abiactor.RemindersHost
	Client    abiactor.ClientHost
}

// HostsOf gives those of a session.
func HostsOf(s block.Session) Hosts {
	own := s.(*session)
	return Hosts{(*contextHost)(own), (*stateHost)(own), (*timersHost)(own), (*remindersHost)(own), (*clientHost)(own)}
}

// Entries counts the actors in the table.
func (b *Block) Entries() int {
	n := 0
	for _, typ := range b.types {
		typ.each(func(*actor) { n++ })
	}
	return n
}
