// Package cloudtest proves Dapr's components of the clouds, as drivers of this host, against servers that answer in the
// clouds' place.
package cloudtest
