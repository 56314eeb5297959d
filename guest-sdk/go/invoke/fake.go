//go:build !wasip1

package invoke

import "sync"

var fake = struct {
	sync.Mutex
	apps map[string]func(Request) (*Response, error)
}{apps: map[string]func(Request) (*Response, error){}}

// FakeApp makes an app known to native builds, as in go test. Give nil to remove it.
func FakeApp(name string, h func(Request) (*Response, error)) {
	fake.Lock()
	defer fake.Unlock()
	if h == nil {
		delete(fake.apps, name)
		return
	}
	fake.apps[name] = h
}

func backendCall(app string, req Request) (*Response, error) {
	fake.Lock()
	h := fake.apps[app]
	fake.Unlock()
	if h == nil {
		return nil, ErrAppNotFound
	}
	return h(req)
}
