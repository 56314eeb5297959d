package localsecret

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const nested = `{
  "plain": "p",
  "number": 1.50, "yes": true, "nothing": null, "": "no name",
  "db": {"user": "u", "more": {"password": "x"}, "hosts": ["a", {"port": 1}], "empty": {}},
  "list": ["one", "two"]
}`

func TestNested(t *testing.T) {
	f, err := ReadFile(write(t, nested), ":", false)
	if err != nil {
		t.Fatal(err)
	}
	got := f.All()
	want := map[string]string{
		"plain": "p", "number": "1.50", "yes": "true", "nothing": "", "": "no name", "db:user": "u", "db:more:password": "x",
		"db:hosts:0": "a", "db:hosts:1:port": "1", "list:0": "one", "list:1": "two",
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want the names of %v", slices.Sorted(maps.Keys(got)), want)
	}
	for name, value := range want {
		if !maps.Equal(got[name], map[string]string{name: value}) {
			t.Errorf("%s: got %v, want %q", name, got[name], value)
		}
	}
}

func TestMultiValued(t *testing.T) {
	f, err := ReadFile(write(t, nested), "_", true)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		"plain": {"plain": "p"}, "number": {"number": "1.50"}, "yes": {"yes": "true"}, "nothing": {"nothing": ""}, "": {"": "no name"},
		"db":   {"user": "u", "more_password": "x", "hosts_0": "a", "hosts_1_port": "1"},
		"list": {"0": "one", "1": "two"},
	}
	if got := f.All(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBrokenFiles(t *testing.T) {
	const value = "planted-value"
	for name, c := range map[string]struct {
		text  string
		multi bool
		want  string
	}{
		"empty":           {text: "", want: "secrets.json:1:1: want a JSON object, found the end"},
		"cut off":         {text: `{"a": "` + value, want: "found the end of the file"},
		"no JSON":         {text: "a = " + value, want: "secrets.json:1:1: want a JSON object: syntax error"},
		"second line":     {text: "{\"a\": \"" + value + "\",\n  oops}", want: "secrets.json:2:3: want a JSON object: syntax error"},
		"a list":          {text: `["` + value + `"]`, want: "found a JSON array"},
		"text":            {text: `"` + value + `"`, want: "found a JSON string"},
		"null":            {text: `null`, want: "want a JSON object"},
		"two":             {text: `{"a": "` + value + `"} {}`, want: "found more behind it"},
		"name twice":      {text: `{"a:b": "1", "a": {"b": "` + value + `"}}`, want: `"a:b" is here twice`},
		"deep name twice": {text: `{"x": {"a:b": "1", "a": {"b": "` + value + `"}}}`, want: `"x:a:b" is here twice`},
		"key twice":       {text: `{"x": {"a:b": "1", "a": {"b": "` + value + `"}}}`, multi: true, want: `secret "x": "a:b" is here twice`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadFile(write(t, c.text), ":", c.multi)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("the error has a value in it: %v", err)
			}
		})
	}
	if _, err := ReadFile(t.TempDir(), ":", false); err == nil {
		t.Error("a folder: want an error, got none")
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LOCALSECRET_A", "a=b")
	t.Setenv("LOCALSECRET_", "no rest")
	t.Setenv("dapr_api_token", "own")
	if got, ok := Getenv("LOCALSECRET_A"); !ok || got != "a=b" {
		t.Errorf("got %q, %v, want a=b", got, ok)
	}
	for _, name := range []string{"localsecret_a", "LOCALSECRET_A=a", "", "LOCALSECRET_NONE"} {
		if got, ok := Getenv(name); ok {
			t.Errorf("%q: got %q, want nothing", name, got)
		}
	}
	if got := WithPrefix("LOCALSECRET_"); !maps.Equal(got, map[string]string{"A": "a=b"}) {
		t.Errorf("got %v, want only A", got)
	}
	if got := WithPrefix("dapr_"); len(got) != 0 {
		t.Errorf("got %v, want nothing reserved", got)
	}
	for name, want := range map[string]bool{"APP_API_TOKEN": true, "App_Api_Token": true, "DAPR_X": true, "DAPR": false, "API_TOKEN": false} {
		if got := Reserved(name); got != want {
			t.Errorf("Reserved(%s): got %v, want %v", name, got, want)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add(nested, true)
	f.Add(`{"a:b": 1, "a": {"b": 2}}`, false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, multi bool) {
		file := filepath.Join(dir, "f.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(file, ":", multi)
		if err == nil && got == nil {
			t.Error("got neither a file nor an error")
		}
	})
}
