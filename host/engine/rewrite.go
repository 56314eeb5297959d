package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// warmUpName is the export that a guest may have to get ready for calls. It runs once, before the image is taken.
const warmUpName = "mrt:app/warmup"

const (
	// rewrittenDir is where rewritten modules are kept, in the cache folder.
	rewrittenDir = "rewritten"
	// rewrittenFormat is the version of their files.
	rewrittenFormat = 1
	// segmentGap is how many zero bytes may join two segments of the initial memory.
	segmentGap = 4096
)

// rewritten is a module whose whole state is its memory and its exported globals.
type rewritten struct {
	Wasm []byte
	// Init is what is in memory before guest code runs.
	Init []wasm.Segment
	// Globals are the exports of the mutable globals.
	Globals []string
	// Start is the export to call first, and Fuel the global that holds the fuel; both may be empty.
	Start, Fuel string
	// Unfit says why the module cannot have an image; all else is empty then.
	Unfit string
}

// rewrite gives the rewritten module, from the cache if it was rewritten before, and its key there.
func (e *Engine) rewrite(ctx context.Context, name string, module []byte) (_ *rewritten, key [sha256.Size]byte) {
	options := wasm.Options{NoFuel: e.cfg.Uninterruptible}
	key = rewrittenKey(module, options)
	file := e.rewrittenFile(key)
	if r := e.loadRewritten(ctx, file); r != nil {
		return r, key
	}
	start := time.Now()
	r, err := transform(module, options)
	if err != nil {
		r = &rewritten{Unfit: err.Error()}
	}
	e.log.DebugContext(ctx, "module is rewritten", "module", name, "took", time.Since(start), "unfit", r.Unfit)
	if file != "" && err == nil {
		if err = storeRewritten(file, r); err != nil {
			e.log.WarnContext(ctx, "a rewritten module cannot be kept; it will be rewritten at the next start",
				"dir", e.cacheDir, "error", err)
		}
	}
	return r, key
}

// transform rewrites a module. What the rewriter makes of a strange module is the runtime's to judge; a panic of it
// means that the module is run as it is.
func transform(module []byte, options wasm.Options) (_ *rewritten, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the rewriter panicked: %v\n%s", r, debug.Stack())
		}
	}()
	result, err := wasm.Transform(module, options)
	if err != nil {
		return nil, err
	}
	obstacles := result.Obstacles
	for _, s := range result.Skipped {
		obstacles = append(obstacles, s.Pass+": "+s.Reason)
	}
	if len(result.Obstacles) > 0 || result.FuelGlobal == "" && !options.NoFuel {
		return &rewritten{Unfit: strings.Join(obstacles, "; ")}, nil
	}
	r := &rewritten{Wasm: result.Wasm, Init: join(result.Image), Start: result.StartExport, Fuel: result.FuelGlobal}
	for _, g := range result.Globals {
		r.Globals = append(r.Globals, g.Name)
	}
	return r, nil
}

// join makes few segments of many: standard Go has tens of thousands.
func join(segments []wasm.Segment) []wasm.Segment {
	var out []wasm.Segment
	end := uint64(0) // of all so far; what is behind it is zero
	for _, s := range segments {
		at := uint64(s.Offset)
		if n := len(out) - 1; n >= 0 && at >= end && at-end <= segmentGap && uint64(out[n].Offset)+uint64(len(out[n].Bytes)) == end {
			out[n].Bytes = append(append(out[n].Bytes, make([]byte, at-end)...), s.Bytes...)
		} else {
			out = append(out, wasm.Segment{Offset: s.Offset, Bytes: append([]byte(nil), s.Bytes...)})
		}
		end = max(end, at+uint64(len(s.Bytes)))
	}
	return out
}

// rewrittenFile names the file of a rewritten module; it is empty if nothing is kept.
func (e *Engine) rewrittenFile(key [sha256.Size]byte) string {
	if e.cacheDir == "" {
		return ""
	}
	return filepath.Join(e.cacheDir, rewrittenDir, hex.EncodeToString(key[:]))
}

// rewrittenKey is the same for modules that are rewritten to the same.
func rewrittenKey(module []byte, options wasm.Options) (key [sha256.Size]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s\n", rewrittenFormat, options.Key())
	h.Write(module)
	h.Sum(key[:0])
	return key
}

// loadRewritten reads a file of the cache; nil if there is none that can be used.
func (e *Engine) loadRewritten(ctx context.Context, file string) *rewritten {
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r := &rewritten{}
	if err == nil {
		err = decodeRewritten(data, r)
	}
	if err != nil {
		e.log.WarnContext(ctx, "a rewritten module in the cache is damaged; it is rewritten again", "file", file, "error", err)
		return nil
	}
	return r
}

// decodeRewritten checks the sum at the end of the file and decodes what is before it.
func decodeRewritten(data []byte, r *rewritten) error {
	n := len(data) - sha256.Size
	if n < 0 || sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return fmt.Errorf("its check sum is wrong (%d bytes)", len(data))
	}
	return gob.NewDecoder(bytes.NewReader(data[:n])).Decode(r)
}

// storeRewritten writes a file that is there wholly or not at all.
func storeRewritten(file string, r *rewritten) error {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(r); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
