// Package dapryaml holds files as a user of Dapr has them; its test holds them against the host.
package dapryaml
