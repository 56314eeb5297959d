// Package componenttests tests components as a whole: real programs on the engine and the host's WASI, generated
// components against another implementation, and components composed of components. It has nothing but tests.
package componenttests
