package manifest

import "strings"

// middlewareBlock is the first part of the types of middleware.
const middlewareBlock = "middleware"

// pipelines checks the middleware that Configurations name. What is wrong here is an error: requests would pass unchecked.
func (l *load) pipelines() {
	for _, c := range l.m.Configurations {
		l.pipeline("spec.httpPipeline", c.Spec.HTTPPipeline)
		l.pipeline("spec.appHttpPipeline", c.Spec.AppHTTPPipeline)
	}
}

func (l *load) pipeline(path string, p *Pipeline) {
	if p == nil {
		return
	}
	for i := range p.Handlers {
		h := &p.Handlers[i]
		show := element(path+".handlers", i)
		if block, _, _ := strings.Cut(strings.ToLower(h.Type), "."); h.Type != "" && block != middlewareBlock {
			l.errorf(h.At("type"), "for example middleware.http.wasm", "%s.type: want a type of middleware, found %s", show, quote(h.Type))
			continue
		}
		if h.Selector != nil {
			l.warnf(h.At("selector"), "", "%s.selector: has no effect: the middleware is for all requests", show)
		}
		if h.Name != "" && !l.lost {
			l.handler(show, h)
		}
	}
}

// handler checks the component of one middleware.
func (l *load) handler(show string, h *PipelineHandler) {
	c := l.m.Component(h.Name)
	if c == nil || c.Block() != middlewareBlock {
		l.component(h.At("name"), show+".name", h.Name, middlewareBlock)
		return
	}
	switch {
	case h.Type != "" && !strings.EqualFold(h.Type, c.Spec.Type):
		l.errorf(h.At("type"), "write "+c.Spec.Type, "%s.type: component %s is a %s, found %s", show, quote(h.Name), c.Spec.Type, h.Type)
	case h.Version != "" && !strings.EqualFold(h.Version, c.Spec.Version):
		l.errorf(h.At("version"), "write "+c.Spec.Version, "%s.version: component %s has version %s, found %s", show, quote(h.Name), c.Spec.Version, h.Version)
	case len(c.Scopes) > 0:
		l.errorf(c.At("scopes"), "leave them out", "component %s: scopes: a middleware is for all apps, and cannot be for some of them", c.Name())
	case c.Spec.IgnoreErrors:
		l.errorf(c.Spec.At("ignoreErrors"), "leave it out", "component %s: ignoreErrors: %s needs it: requests would pass unchecked, or not at all", c.Name(), show)
	}
}
