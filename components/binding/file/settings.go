package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// settings are the metadata fields.
type settings struct {
	Path        string        `metadata:"path,required" doc:"folder to watch"`
	Pattern     string        `metadata:"pattern" default:"*" doc:"names of files to watch, with * and ?, for example *.csv"`
	Recursive   bool          `metadata:"recursive" default:"false" doc:"watch the folders below too"`
	Events      string        `metadata:"events" default:"created,modified,removed" doc:"what to tell, separated by commas"`
	Debounce    time.Duration `metadata:"debounce,ms" default:"100ms" doc:"how long a file has to be left alone before its change is told"`
	Existing    bool          `metadata:"existing" default:"false" doc:"tell files that are there at the first start as created"`
	Content     bool          `metadata:"content" default:"true" doc:"the event's data is the file's content; else it has none"`
	MaxSize     string        `metadata:"maxFileSize" default:"16Mi" doc:"larger files are told without their content"`
	Concurrency int64         `metadata:"concurrency" default:"10" doc:"files that are handled at once, per app"`
	Rescan      time.Duration `metadata:"rescan,ms" default:"1m" doc:"how often to look through the folder for what the system did not tell, for example on network drives; 0 never"`

	events  map[string]bool
	maxSize int64
}

// The events.
const (
	created  = "created"
	modified = "modified"
	removed  = "removed"
)

// check completes the settings; the error lists all that is wrong.
func (s *settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := filepath.Match(s.Pattern, "x"); err != nil || strings.ContainsRune(s.Pattern, filepath.Separator) {
		bad("metadata field pattern: want the names of files, with * and ?; found %q", s.Pattern)
	}
	s.events = map[string]bool{}
	for e := range strings.SplitSeq(s.Events, ",") {
		e = strings.ToLower(strings.TrimSpace(e))
		if e != created && e != modified && e != removed {
			bad("metadata field events: want created, modified and removed, separated by commas; found %q", s.Events)
			break
		}
		s.events[e] = true
	}
	size, err := humanize.ParseBytes(s.MaxSize)
	if err != nil || size > binding.MaxData {
		bad("metadata field maxFileSize: want a size up to 64Mi, found %q", s.MaxSize)
		size = 0
	}
	s.maxSize = int64(size)
	if s.Debounce < 0 || s.Concurrency < 1 || s.Rescan < 0 {
		bad("metadata fields debounce and rescan: want 0 or more; concurrency: 1 or more")
	}
	return errors.Join(errs...)
}
