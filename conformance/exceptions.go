package conformance

// Exception is a place where a driver is not run as Dapr runs its own of the same name.
type Exception struct {
	// Driver is the type.
	Driver string
	// What is different.
	What string
	// Reason is why.
	Reason string
}

// Exceptions lists them all; README.md has the same table.
func Exceptions() []Exception {
	return []Exception{
		{
			"bindings.localstorage", "get, list and delete are run apart",
			"The suite has one request for all operations and wants get of what was deleted to succeed without data. Here, as in Dapr's own driver, that is an error, and so is list of a file. Dapr does not run the suite for this driver.",
		},
		{
			"bindings.redis", "get and delete are run apart",
			"Get of a missing key is the error not found, not an empty answer. Dapr runs the suite for this driver without get and delete.",
		},
		{
			"configuration.sqlite", "versions are not compared",
			"The store gives versions itself, so the suite cannot choose them; it has the same rule for Kubernetes.",
		},
		{
			"secretstores.local.env", "metadata bulkWithoutPrefix is true",
			"Without a prefix a bulk read would give an app the whole environment of the host, so it has to be allowed.",
		},
	}
}
