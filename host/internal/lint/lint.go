// Package lint holds the tests of the code base itself: which package may import which, and that every building
// block has all its sides. It has no other code.
package lint
