package host

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// openMiddleware opens the middleware components and puts them in front of the apps; apiPipeline puts them in front of
// the API.
func (h *Host) openMiddleware(ctx context.Context) error {
	m, err := component.NewManager(h.opts.Drivers.Middleware, h.env(), h.decls("middleware", false))
	if err != nil {
		return err
	}
	h.closers = append(h.closers, m.Close)
	if err := m.Open(ctx, h.names); err != nil {
		return err
	}
	spec := h.opts.Manifest.Configuration()
	front, err := h.pipeline(m, "spec.appHttpPipeline", spec.AppHTTPPipeline)
	if err != nil {
		return err
	}
	h.blocks.http.Front().Use(front)
	h.apiPipeline, err = h.pipeline(m, "spec.httpPipeline", spec.HTTPPipeline)
	return err
}

// pipeline gives the middleware of one list. One that is not there ends the start: requests would pass unchecked.
func (h *Host) pipeline(m *component.Manager[http.Middleware], name string, p *manifest.Pipeline) (*http.Pipeline, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // a pipeline without middleware
	}
	cfg := http.PipelineConfig{Name: name, Chain: h.chain, Log: h.log}
	for _, handler := range p.Handlers {
		o, err := m.Find("", handler.Name, handler.Name)
		if err == nil {
			err = o.Err
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: middleware %s: %w; no request may pass without it", handler.Pos, name, handler.Name, err)
		}
		cfg.Stages = append(cfg.Stages, http.Stage{Name: o.Decl.Name, Type: o.Type, Middleware: o.Driver})
	}
	return http.NewPipeline(cfg), nil
}
