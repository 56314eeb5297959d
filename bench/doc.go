// Package bench measures the whole path, from a request to a guest and a driver and back. Where two systems are
// compared, both are measured in the same run and the ratio is reported: the figures of one machine mean little on
// another.
//
//	go test -run '^$' -bench . ./bench/
package bench
