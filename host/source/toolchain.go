package source

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The first Go that has go:wasmexport and c-shared for wasip1.
const minMajor, minMinor = 1, 24

// errNoGo is the error of a machine without Go.
var errNoGo = errors.New("building a Go source needs the go command, and there is none in PATH; " +
	"get Go 1.24 or later at https://go.dev/dl/, or name a built file in source.wasm")

// findGo gives the path of the go command.
func (b *Builder) findGo() (string, error) {
	name := b.opts.Go
	if name == "" {
		name = "go"
	}
	path, err := exec.LookPath(name)
	// A go command in the working folder only (exec.ErrDot) is refused too: it is not the user's toolchain.
	if err != nil {
		return "", fmt.Errorf("%w (%w)", errNoGo, err)
	}
	return path, nil
}

// checkGo asks the go command for the version that it uses in dir: a go.mod there may choose another toolchain.
func checkGo(ctx context.Context, goCmd, dir string) error {
	out, err := command(ctx, goCmd, dir, "env", "GOVERSION").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s env GOVERSION: %w: %s", goCmd, err, strings.TrimSpace(string(out)))
	}
	version := strings.TrimSpace(string(out))
	if tooOld(version) {
		return fmt.Errorf("%s is %s, and apps need Go %d.%d or later (for go:wasmexport); get it at https://go.dev/dl/",
			goCmd, version, minMajor, minMinor)
	}
	return nil
}

// tooOld reads "go1.26.8", "go1.25rc1" or "devel go1.27-abc"; what it cannot read is left to the compiler.
func tooOld(version string) bool {
	_, v, ok := strings.Cut(version, "go")
	if !ok {
		return false
	}
	majorText, rest, ok := strings.Cut(v, ".")
	if !ok {
		return false
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err1 := strconv.Atoi(majorText)
	minor, err2 := strconv.Atoi(rest[:end])
	if err1 != nil || err2 != nil {
		return false
	}
	return major < minMajor || major == minMajor && minor < minMinor
}
