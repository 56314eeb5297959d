# mrt-wasm. `make run` and `make test` are all that a fresh machine needs; see README.md.
GO      ?= go
BIN     := bin/mrt-wasm
MODULE  := github.com/mrt-wasm/mrt-wasm
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PKGS    := ./...
FUZZTIME ?= 20s
# The linter's cache holds results by path: shared with another checkout it would report that one's files.
LINT    := GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint-cache $(GO) tool -modfile=tools/go.mod golangci-lint

.PHONY: run build release build-full test conformance contrib test-setup lint generate generate-contrib bench fuzz check fmt clean

run: build ## build and run the main example with embedded defaults
	./$(BIN) run examples/shop/manifest.yaml

build: ## build the binary, with the flags of go test so that both share what is compiled
	$(GO) build -ldflags '-X $(MODULE)/cmd/mrt-wasm/cli.version=$(VERSION)' -o $(BIN) ./cmd/mrt-wasm

# Without grpcnotrace gRPC brings pages for debugging whose templates have the linker keep every method of every type.
release: ## build the binary as it is shipped: static and stripped
	CGO_ENABLED=0 $(GO) build -tags grpcnotrace -trimpath -ldflags '-s -w -X $(MODULE)/cmd/mrt-wasm/cli.version=$(VERSION)' -o $(BIN) ./cmd/mrt-wasm
	@ls -l $(BIN)

build-full: ## build the binary with all of Dapr's components; the first time takes many minutes
	CGO_ENABLED=0 $(GO) build -C components/contrib -tags grpcnotrace -trimpath -ldflags '-s -w -X $(MODULE)/cmd/mrt-wasm/cli.version=$(VERSION)' \
		-o $(CURDIR)/bin/mrt-wasm-full ./mrt-wasm-full
	@ls -l bin/mrt-wasm-full

# Tests of drivers mostly wait for their servers, so that more of them at once than there are CPUs are sooner done.
test: test-setup ## all tests with the race detector, on real servers, and Dapr's conformance suites
	$(GO) test -race -p 4 -timeout 25m $(PKGS)
	$(MAKE) conformance contrib

conformance: test-setup ## Dapr's conformance suites against the drivers; they mostly wait, so all run at once
	cd conformance && $(GO) test -parallel 32 -timeout 10m ./...

contrib: test-setup ## Dapr's own components as drivers, the clouds' against emulators
	cd components/contrib && $(GO) vet ./... && $(GO) test -timeout 20m ./...

test-setup: build ## fetch the servers and toolchains that tests need; fails if it cannot
	./components/internal/testserver/setup.sh
	./examples/internal/toolchain/setup.sh

lint: ## gofmt, go vet, golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt: run make fmt'; exit 1; }
	$(GO) vet $(PKGS)
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./guest-sdk/...
	$(LINT) run $(PKGS)

fmt:
	gofmt -w $$(git ls-files '*.go')

generate: ## regenerate the glue and the block pages from wit/, and the drivers' page from the drivers
	$(GO) run ./abi/witgen/generate
	$(GO) run ./cmd/mrt-wasm components --format markdown > docs/drivers.md

generate-contrib: ## read again what Dapr documents of its components' metadata, after a change of their version
	$(GO) generate -C components/contrib .

bench: build ## all benchmarks; ratios are measured side by side in one run
	$(GO) test -run '^$$' -bench . -benchmem ./bench/

fuzz: ## every fuzz target for FUZZTIME
	./host/internal/lint/fuzz.sh $(FUZZTIME)

check: generate lint test ## what CI does, and that generated files are current
	git diff --exit-code -- abi guest-sdk docs

clean:
	rm -rf bin .mrt
