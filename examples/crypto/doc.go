// Package example is the check of the example, which go test runs.
package example
