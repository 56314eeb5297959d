// Package daprcomponents holds component files as users of Dapr have them, and tests that they load unchanged.
package daprcomponents
