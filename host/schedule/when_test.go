package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func TestParseDue(t *testing.T) {
	now := at(t, "2024-01-31T10:00:00Z")
	for _, tc := range []struct{ text, want string }{
		{"", "2024-01-31T10:00:00Z"},
		{"0s", "2024-01-31T10:00:00Z"},
		{"1h30m", "2024-01-31T11:30:00Z"},
		{"0h0m3s0ms", "2024-01-31T10:00:03Z"},
		{"1.5ms", "2024-01-31T10:00:00.0015Z"},
		{"PT1H30M", "2024-01-31T11:30:00Z"},
		{"PT0.25S", "2024-01-31T10:00:00.25Z"},
		{"P1D", "2024-02-01T10:00:00Z"},
		{"P2W", "2024-02-14T10:00:00Z"},
		{"P1M", "2024-02-29T10:00:00Z"},
		{"P1Y1M", "2025-02-28T10:00:00Z"},
		{"P1MT1S", "2024-02-29T10:00:01Z"},
		{"2030-01-02T03:04:05+01:00", "2030-01-02T02:04:05Z"},
		{"2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"},
	} {
		got, err := ParseDue(tc.text, now)
		if err != nil || !got.Equal(at(t, tc.want)) {
			t.Errorf("ParseDue(%q) = %s, %v; want %s", tc.text, got, err, tc.want)
		}
	}
}

func TestParseDueRefuses(t *testing.T) {
	for _, text := range []string{
		"soon", "-5s", "-PT5S", "P", "PT", "P1DT", "P1S", "PT1D", "P1D1D", "PT1S1S", "PT1M1H", "P1.5M", "P1.5D", "PT1..5S",
		"R3/PT1S", "99999999h", "P99999999999999999999Y", "P300Y", "PT99999999999999999999S", "0001-01-01T00:00:00Z",
		"2030-01-02", "10", "P１D", " 1s", strings.Repeat("x", 1000),
	} {
		got, err := ParseDue(text, at(t, "2024-01-31T10:00:00Z"))
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseDue(%.40q) = %s, %v; want ErrInvalid", text, got, err)
		} else if !strings.Contains(err.Error(), "want") || !strings.Contains(err.Error(), "found") || len(err.Error()) > 400 {
			t.Errorf("ParseDue(%.40q): want an error that says what was wanted and found, got %q", text, err)
		}
	}
}

func TestParseTTL(t *testing.T) {
	due := at(t, "2024-01-01T10:00:00Z")
	for _, tc := range []struct{ text, want string }{
		{"10s", "2024-01-01T10:00:10Z"},
		{"PT1H", "2024-01-01T11:00:00Z"},
		{"2024-01-01T10:00:01Z", "2024-01-01T10:00:01Z"},
	} {
		if got, err := ParseTTL(tc.text, due); err != nil || !got.Equal(at(t, tc.want)) {
			t.Errorf("ParseTTL(%q) = %s, %v; want %s", tc.text, got, err, tc.want)
		}
	}
	if got, err := ParseTTL("", due); err != nil || !got.IsZero() {
		t.Errorf(`ParseTTL("") = %s, %v; want the zero time`, got, err)
	}
	for _, text := range []string{"0s", "-1s", "2024-01-01T10:00:00Z", "2023-01-01T00:00:00Z", "x"} {
		if got, err := ParseTTL(text, due); !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseTTL(%q) = %s, %v; want ErrInvalid", text, got, err)
		}
	}
}

func TestParsePeriod(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Period
	}{
		{"", Period{}},
		{"0h0m0s0ms0μs", Period{}},
		{"PT0S", Period{}},
		{"10s", Period{Every: 10 * time.Second}},
		{"50ms", Period{Every: 50 * time.Millisecond}},
		{"PT0.05S", Period{Every: 50 * time.Millisecond}},
		{"P1Y2M", Period{Months: 14}},
		{"P1W1DT1H", Period{Every: 8*24*time.Hour + time.Hour}},
		{"R3/PT30S", Period{Every: 30 * time.Second, Repeats: 3}},
		{"R3/10s", Period{Every: 10 * time.Second, Repeats: 3}},
		{"R1/P1M", Period{Months: 1, Repeats: 1}},
	} {
		got, err := ParsePeriod(tc.text)
		if err != nil || got != tc.want {
			t.Errorf("ParsePeriod(%q) = %+v, %v; want %+v", tc.text, got, err, tc.want)
		}
		again, err := ParsePeriod(got.String())
		if err != nil || again != got {
			t.Errorf("ParsePeriod(%q), what String gave, = %+v, %v; want %+v", got.String(), again, err, got)
		}
	}
	for _, text := range []string{
		"R", "R/", "R3", "R3/", "R0/PT1S", "R-1/PT1S", "R+1/PT1S", "R99999999999/PT1S", "R3/PT0S", "R3/R3/PT1S", "r3/PT1S",
		"-1s", "1us", "2030-01-01T00:00:00Z", "often", "@daily",
	} {
		if got, err := ParsePeriod(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("ParsePeriod(%q) = %+v, %v; want ErrInvalid", text, got, err)
		}
	}
}

func TestNextKeepsThePhase(t *testing.T) {
	for _, tc := range []struct{ period, anchor, after, want string }{
		{"10s", "2024-01-01T00:00:03Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:13Z"},
		{"10s", "2024-01-01T00:00:03Z", "2024-01-01T00:00:13Z", "2024-01-01T00:00:23Z"},
		{"10s", "2024-01-01T00:00:03Z", "2024-01-01T00:00:22.999Z", "2024-01-01T00:00:23Z"},
		{"10s", "2000-01-01T00:00:03Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:03Z"},
		{"1ms", "1970-01-01T00:00:00Z", "2200-01-01T00:00:00.0005Z", "2200-01-01T00:00:00.001Z"},
		{"P1M", "2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z", "2024-02-29T10:00:00Z"},
		{"P1M", "2024-01-31T10:00:00Z", "2024-02-29T10:00:00Z", "2024-03-31T10:00:00Z"},
		{"P1M", "2024-01-31T10:00:00Z", "2024-04-15T10:00:00Z", "2024-04-30T10:00:00Z"},
		{"P1M", "1970-01-31T10:00:00Z", "2024-04-15T10:00:00Z", "2024-04-30T10:00:00Z"},
		{"P1Y", "2020-02-29T00:00:00Z", "2022-05-01T00:00:00Z", "2023-02-28T00:00:00Z"},
		{"P1Y", "2020-02-29T00:00:00Z", "2023-05-01T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"P1MT1H", "2024-01-01T00:00:00Z", "2024-03-01T01:30:00Z", "2024-03-01T02:00:00Z"},
		{"P280Y", "1970-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2250-01-01T00:00:00Z"},
	} {
		p, err := ParsePeriod(tc.period)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Next(at(t, tc.anchor), at(t, tc.after)); !got.Equal(at(t, tc.want)) {
			t.Errorf("%s from %s, after %s: got %s, want %s", tc.period, tc.anchor, tc.after, got.Format(time.RFC3339Nano), tc.want)
		}
	}
	if got := (Period{}).Next(time.Now(), time.Now()); !got.IsZero() {
		t.Errorf("no period: got a next time %s, want none", got)
	}
}

func FuzzParseDue(f *testing.F) {
	for _, s := range []string{"", "1h", "PT1H30M", "P1M", "2030-01-02T03:04:05Z", "R3/PT1S", "P99999999Y", "-1s"} {
		f.Add(s)
	}
	now := at(f, "2024-01-31T10:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		due, err := ParseDue(text, now)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("ParseDue(%q): %v is not ErrInvalid", text, err)
			}
			return
		}
		if y := due.Year(); y < firstYear || y > lastYear {
			t.Fatalf("ParseDue(%q) = %s: the year is out of bounds", text, due)
		}
	})
}

func FuzzPeriod(f *testing.F) {
	for _, s := range []string{"", "1h", "R3/PT1H30M", "P1M", "P1Y2M3DT4.5S", "R2147483647/1ms", "P291Y", "R0/1s"} {
		f.Add(s, int64(0), int64(1e12))
	}
	f.Fuzz(func(t *testing.T, text string, from, gap int64) {
		p, err := ParsePeriod(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("ParsePeriod(%q): %v is not ErrInvalid", text, err)
			}
			return
		}
		if again, err := ParsePeriod(p.String()); err != nil || again != p {
			t.Fatalf("ParsePeriod(%q) = %+v; its text %q gives %+v, %v", text, p, p.String(), again, err)
		}
		if p.None() {
			return
		}
		const century = int64(100 * 365 * 24 * time.Hour / time.Microsecond)
		anchor := fromMicros(abs(from) % century)
		after := anchor.Add(time.Duration(abs(gap)%century) * time.Microsecond)
		next := p.Next(anchor, after)
		if !next.After(after) {
			t.Fatalf("%s from %s after %s gives %s: want a later time", p, anchor, after, next)
		}
		if then := p.Next(anchor, next); !then.After(next) {
			t.Fatalf("%s from %s after %s gives %s: want a later time", p, anchor, next, then)
		}
	})
}

func abs(n int64) int64 {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
