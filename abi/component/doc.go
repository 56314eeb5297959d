// Package component reads WebAssembly components (binary layer 1): it decodes them, checks them, and gives their
// definitions as a tree (Decode, Validate, or both: Parse). It knows no engine. Package link makes of the tree what an engine can run.
//
// Input may be hostile. Nothing in it makes the package panic, recurse without bound, or take memory out of
// proportion to the input's size; the constants Max... bound everything that is counted.
//
// The names in brackets are sections of Binary.md and Explainer.md in the component-model repository.
package component
