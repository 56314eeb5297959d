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
			"bindings.s3", "get, and list and delete, are run apart",
			"Get of a missing object is the error not found, not an empty answer, and list takes other data than an object's. Dapr runs the suite for this driver without delete.",
		},
		{
			"bindings.wasm", "the operation is post, and is not called",
			"The suite calls operations by the names of Dapr's own, and the example's plugin has none of these. Its events are read.",
		},
		{
			"configuration.postgresql", "run by the suite's general rules, not by those for PostgreSQL",
			"For PostgreSQL the suite wants the old value of what was deleted, as Dapr's driver tells it; here, as with every other store, a deleted key has none. That a subscription names its channel is in the driver's own tests.",
		},
		{
			"configuration.sqlite", "versions are not compared",
			"The store gives versions itself, so the suite cannot choose them; it has the same rule for Kubernetes.",
		},
		{
			"configuration.wasm", "versions are not compared",
			"The plugin's versions are etags of the store behind it.",
		},
		{
			"secretstores.local.env", "metadata bulkWithoutPrefix is true",
			"Without a prefix a bulk read would give an app the whole environment of the host, so it has to be allowed.",
		},
		{
			"state.mongodb", "transactions are run on a stand-in",
			"The server of the tests is FerretDB: alone it has no transactions, and as a replica set a proxy of ours makes them.",
		},
	}
}
