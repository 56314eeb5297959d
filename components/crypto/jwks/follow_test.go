package jwks

import (
	"net/http"
	"net/url"
	"testing"
)

func TestFollow(t *testing.T) {
	request := func(text string) *http.Request {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	for _, tt := range []struct {
		first, to string
		follows   bool
	}{
		{"https://id.example.com/keys", "https://other.example.com/keys", true},
		{"http://id.example.com/keys", "https://id.example.com/keys", true},
		{"http://id.example.com/keys", "http://id.example.com/more", true},
		{"https://id.example.com/keys", "http://id.example.com/keys", false},
		{"https://id.example.com/keys", "file:///etc/keys", false},
	} {
		if err := follow(request(tt.to), []*http.Request{request(tt.first)}); (err == nil) != tt.follows {
			t.Errorf("from %s to %s: got error %v, want it followed: %t", tt.first, tt.to, err, tt.follows)
		}
	}
	if err := follow(request("http://a/"), make([]*http.Request, maxRedirects)); err == nil {
		t.Error("after many: got no error")
	}
}
