// Package warmup does work once, when the host starts an app, so that no request has to: the host takes its image of
// the app after that, and every instance begins with what was done.
//
//	func init() { warmup.Register(func() { templates = parse() }) }
//
// Good for it is what fills caches: a first json.Unmarshal into a type, compiled regular expressions, parsed
// templates. What it reads from the host (state, clocks, random numbers) is old by the time of a request; building
// blocks cannot be called.
package warmup

var work []func()

// Register adds work. Functions run in the order in which they were registered, after all init functions.
func Register(f func()) { work = append(work, f) }

// Run does the registered work: what the host does, and tests of the app.
func Run() {
	for _, f := range work {
		f()
	}
}
