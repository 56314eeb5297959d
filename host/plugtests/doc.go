// Package plugtests runs the components of several toolchains that implement one world of records, variants, lists and
// a resource, over glue that abi/witgen generates. It has nothing but tests.
package plugtests

// The glue is made of the world that testdata/plug.zip has:
//
//go:generate sh -c "unzip -qo testdata/plug.zip world.wit -d internal && go run ../../cmd/mrt-wasm bindgen internal/world.wit --side host --out internal/plug && rm internal/world.wit"
