package schedule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/sosodev/duration"
)

// ErrInvalid marks errors about what a user wrote: a due time, a period, a number of repetitions.
var ErrInvalid = errors.New("not a valid time")

const (
	durationForms = "a Go duration (1h30m) or an ISO 8601 duration (PT1H30M)"
	timeForms     = "a Go duration (1h30m), an ISO 8601 duration (PT1H30M) or an RFC 3339 time (2030-01-02T15:04:05Z)"

	// MinPeriod is the shortest period.
	MinPeriod = time.Millisecond
	// longest is what time.Duration holds if all months were long.
	longest = "286 years"
	// Times are within these years, so that they can be stored and their distance be taken.
	firstYear, lastYear = 1970, 9999

	monthsPerYear, daysPerWeek = 12, 7
	day                        = 24 * time.Hour
)

// isoShape is stricter than the library, which takes parts twice and in any order. Only time has fractions.
var isoShape = regexp.MustCompile(`^P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?$`)

// ParseDue reads a due time: empty is now, a duration counts from now, an RFC 3339 time stands for itself and may be
// past. Days, months and years are those of UTC. Errors are [ErrInvalid] and say which forms there are.
func ParseDue(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return wall(now), nil
	}
	return parseTime("due time", text, now)
}

// ParseTTL reads until when something is due, in the forms of a due time; a duration counts from the due time, as in
// Dapr. Empty gives the zero time: no end. Errors are [ErrInvalid]; one is that the end is not after the due time.
func ParseTTL(text string, due time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	end, err := parseTime("ttl", text, due)
	if err != nil {
		return time.Time{}, err
	}
	if !end.After(due) {
		return time.Time{}, invalid("ttl: want an end after the due time %s, found %s; a duration counts from the due time",
			due.UTC().Format(time.RFC3339Nano), shown(text))
	}
	return end, nil
}

func parseTime(field, text string, from time.Time) (time.Time, error) {
	p, err := parseSpan(text)
	var at time.Time
	switch {
	case err == nil:
		at = p.at(wall(from), 1)
	case errors.Is(err, errForm):
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return time.Time{}, invalid("%s: want empty, %s, found %s", field, timeForms, shown(text))
		}
		at = wall(at)
	default:
		return time.Time{}, fmt.Errorf("%s: %w", field, err)
	}
	if at.Year() < firstYear || at.Year() > lastYear {
		return time.Time{}, invalid("%s: want a time in the years %d to %d, found %s", field, firstYear, lastYear, shown(text))
	}
	return at, nil
}

// Period is the time between two times when something is due. The zero Period is none: due once.
type Period struct {
	// Months are calendar months of UTC; a day that a month does not have is its last.
	Months int
	// Every comes on top of Months.
	Every time.Duration
	// Repeats is how often it is due in all; 0 is no bound.
	Repeats int
}

// ParsePeriod reads a period: empty and a duration of zero are none, else it is a Go duration, an ISO 8601 duration,
// or either with how often in front (R3/PT30S). Errors are [ErrInvalid].
func ParsePeriod(text string) (Period, error) {
	if text == "" {
		return Period{}, nil
	}
	repeats, span := 0, text
	if rest, ok := strings.CutPrefix(text, "R"); ok {
		count, after, _ := strings.Cut(rest, "/")
		n, err := strconv.ParseUint(count, 10, 31)
		if err != nil || n == 0 || after == "" {
			return Period{}, invalid("period: want repetitions as R, a number from 1 to %d, / and a duration (R3/PT30S), found %s",
				math.MaxInt32, shown(text))
		}
		repeats, span = int(n), after
	}
	p, err := parseSpan(span)
	switch {
	case errors.Is(err, errForm):
		return Period{}, invalid("period: want empty, %s, or one with repetitions (R3/PT30S), found %s", durationForms, shown(text))
	case err != nil:
		return Period{}, fmt.Errorf("period: %w", err)
	case p.None() && repeats > 1:
		return Period{}, invalid("period: want a duration above zero to repeat, found %s", shown(text))
	case p.None():
		return Period{}, nil
	case p.Months == 0 && p.Every < MinPeriod:
		return Period{}, invalid("period: want %s or longer, found %s", MinPeriod, shown(text))
	}
	p.Repeats = repeats
	return p, nil
}

// None tells whether there is no period: what has it is due once.
func (p Period) None() bool { return p.Months == 0 && p.Every == 0 }

// Next gives the first time after the given one that is a whole number of periods, at least one, after the anchor: the
// phase is kept, whatever was missed. A period that is none gives the zero time.
func (p Period) Next(anchor, after time.Time) time.Time {
	if p.None() {
		return time.Time{}
	}
	anchor, after = wall(anchor), wall(after)
	if next := p.at(anchor, 1); next.After(after) {
		return next
	}
	gap := after.Sub(anchor)
	if p.Months == 0 {
		return p.at(anchor, int64(gap/p.Every)+1)
	}
	// Months differ in length: search between what the shortest and the longest would give.
	const shortMonth = 28 * day
	high := int(gap/(time.Duration(p.Months)*shortMonth+p.Every)) + 1
	n := sort.Search(high, func(i int) bool { return p.at(anchor, int64(i)).After(after) })
	return p.at(anchor, int64(n))
}

// at is n periods after the anchor.
func (p Period) at(anchor time.Time, n int64) time.Time {
	if p.Months != 0 {
		anchor = addMonths(anchor, p.Months*int(n))
	}
	// The last one apart: only so is there no overflow when a period is half of what a duration holds.
	return anchor.Add(p.Every * time.Duration(n-1)).Add(p.Every)
}

func addMonths(t time.Time, months int) time.Time {
	y, m, d := t.Date()
	last := time.Date(y, m+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
	return time.Date(last.Year(), last.Month(), min(d, last.Day()), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// String gives a text that [ParsePeriod] reads as the same period.
func (p Period) String() string {
	text := ""
	if p.Repeats > 0 {
		text = "R" + strconv.Itoa(p.Repeats) + "/"
	}
	switch {
	case p.None():
		return ""
	case p.Months == 0:
		return text + p.Every.String()
	case p.Every == 0:
		return fmt.Sprintf("%sP%dM", text, p.Months)
	}
	return fmt.Sprintf("%sP%dMT%d.%09dS", text, p.Months, p.Every/time.Second, p.Every%time.Second)
}

// MarshalText gives the period as [Period.String] does.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the period as [ParsePeriod] does.
func (p *Period) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePeriod(string(text))
	return err
}

// errForm says that a text is in no form of a duration.
var errForm = errors.New("not a duration")

// parseSpan reads a duration of either form.
func parseSpan(text string) (Period, error) {
	if d, err := time.ParseDuration(text); err == nil {
		if d < 0 {
			return Period{}, invalid("want a duration of zero or more, found %s", shown(text))
		}
		return Period{Every: d}, nil
	}
	if !isoShape.MatchString(text) || strings.HasSuffix(text, "P") || strings.HasSuffix(text, "T") {
		return Period{}, errForm
	}
	iso, err := duration.Parse(text)
	if err != nil {
		return Period{}, errForm
	}
	months := iso.Years*monthsPerYear + iso.Months
	days := iso.Weeks*daysPerWeek + iso.Days
	rest := days*float64(day) + iso.Hours*float64(time.Hour) + iso.Minutes*float64(time.Minute) + iso.Seconds*float64(time.Second)
	const longMonth = 31 * float64(day)
	if months*longMonth+rest >= math.MaxInt64 {
		return Period{}, invalid("want a duration below %s, found %s", longest, shown(text))
	}
	every := time.Duration(math.Round(rest))
	if months > 0 {
		every = every.Round(time.Millisecond) // what remains exact as text
	}
	return Period{Months: int(months), Every: every}, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

// shown quotes what was found, not more than fits a line.
func shown(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// wall drops the monotonic clock and the zone: what is stored is compared with what comes after a restart.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }
