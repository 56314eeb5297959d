// Package link makes a plan of a component: which core modules are instantiated in which order, what each of their
// imports is, and which functions the component imports from its host and exports to it. Nested components, their
// instances, aliases and types are all gone in a plan: what the Component Model calls instantiation is nearly all
// known before anything runs, so it is done here, once, and an engine is left with core instances and trampolines.
//
//	component.Component --Build--> Plan --Merge--> one core module, where the core instances share a memory
//	                                    \--------> a graph of core instances, else
//
// It is not a validator: [Build] takes what component.Decode has found valid. On anything else it fails or gives a
// plan that the engine refuses, but it neither panics nor computes for long; the Max constants bound everything that
// a small component could make large.
//
// What the specification has and this package has not, such as async functions, is refused with an [*Unsupported]
// where it is used: a component may declare types of streams as long as it calls nothing with them.
package link
