package link

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// maxWIT bounds the text of WIT, in bytes.
const maxWIT = 16 << 20

// WIT writes what a component imports and exports as WIT: a world "root" and the interfaces that it names, in the order
// of the component. It is for people to read: a type that the component gives no name stands where it is used, which WIT
// itself knows only for some types. Core definitions are not looked at, so that it works for components which Build
// refuses. It fails as Build does for a component that is too large.
func WIT(c *component.Component) (string, error) {
	b := newBuilder()
	b.typesOnly = true
	b.deps = &dependencies{made: map[*component.Component]*instance{}}
	w := &witWorld{byName: map[string]*witInterface{}}
	out, err := b.instantiate(&nested{def: c}, -1, 0, func(s *scope, d *component.ImportDef) (any, error) {
		v, err := fromHost(s, d)
		if err == nil {
			w.add(&w.imports, d.Name.Name, item{d.Type.Sort, v})
		}
		return v, err
	})
	if err != nil {
		return "", err
	}
	for _, name := range out.names {
		w.add(&w.exports, name, out.items[name])
	}
	return w.text()
}

// witWorld is a world while it is written.
type witWorld struct {
	imports, exports []witItem
	// interfaces are those with a full name, in order.
	interfaces []*witInterface
	byName     map[string]*witInterface
}

type witItem struct {
	name string
	item item
}

// witInterface is an interface: its items are those of all instances of its name.
type witInterface struct {
	pkg, name string // for example "wasi:io@0.2.3" and "streams"
	instance  *instance
}

// add adds an import or export of the world.
func (w *witWorld) add(to *[]witItem, name string, it item) {
	*to = append(*to, witItem{name, it})
	in, ok := it.v.(*instance)
	if !ok {
		return
	}
	for _, n := range in.names {
		if t, ok := in.items[n].v.(*typ); ok && t.iface == "" {
			t.iface = name
		}
	}
	pkg, iface, ok := splitInterface(name)
	if !ok {
		return
	}
	have := w.byName[name]
	if have == nil {
		have = &witInterface{pkg: pkg, name: iface, instance: newInstance()}
		w.byName[name] = have
		w.interfaces = append(w.interfaces, have)
	}
	for _, n := range in.names {
		if _, ok := have.instance.items[n]; !ok {
			have.instance.add(n, in.items[n])
		}
	}
}

// splitInterface splits "wasi:io/streams@0.2.3" into "wasi:io@0.2.3" and "streams".
func splitInterface(name string) (pkg, iface string, ok bool) {
	base, version, versioned := strings.Cut(name, "@")
	pkg, iface, ok = strings.Cut(base, "/")
	if versioned {
		pkg += "@" + version
	}
	return pkg, iface, ok && strings.Contains(pkg, ":")
}

// text writes the world and then the packages of its interfaces.
func (w *witWorld) text() (string, error) {
	p := &witWriter{}
	p.line("package root:component;")
	p.line("")
	p.open("world root {")
	p.world(w)
	p.close()
	var done []string
	for _, first := range w.interfaces {
		if slices.Contains(done, first.pkg) {
			continue
		}
		done = append(done, first.pkg)
		p.line("")
		p.open("package " + first.pkg + " {")
		for _, i := range w.interfaces {
			if i.pkg == first.pkg {
				p.open("interface " + ident(i.name) + " {")
				name, version, ok := strings.Cut(i.pkg, "@")
				if name += "/" + i.name; ok {
					name += "@" + version
				}
				p.items(name, i.instance)
				p.close()
			}
		}
		p.close()
	}
	if p.full() {
		return "", errors.New("expected a component whose WIT is at most 16 MiB of text, found more")
	}
	return p.String(), nil
}

// world writes the world's imports and exports, and before them what their types use of interfaces.
func (p *witWriter) world(w *witWorld) {
	body := &witWriter{indent: p.indent}
	body.worldItems("import", w.imports)
	if len(w.imports) > 0 && len(w.exports) > 0 {
		body.line("")
	}
	body.worldItems("export", w.exports)
	for _, use := range body.used {
		p.line("use " + use + ";")
	}
	if len(body.used) > 0 {
		p.line("")
	}
	p.spent += body.spent
	p.WriteString(body.String())
}

// worldItems writes the imports or exports of the world.
func (p *witWriter) worldItems(keyword string, items []witItem) {
	methods := newInstance()
	for _, it := range items {
		methods.add(it.name, it.item)
	}
	for _, it := range items {
		switch v := it.item.v.(type) {
		case *instance:
			if _, _, ok := splitInterface(it.name); ok {
				p.line(keyword + " " + it.name + ";")
				continue
			}
			p.open(keyword + " " + plainName(it.name) + ": interface {")
			p.items(it.name, v)
			p.close()
		case *function:
			if _, _, ok := member(it.name); !ok {
				p.line(keyword + " " + plainName(it.name) + ": " + p.function("", v, false) + ";")
			}
		case *typ:
			if from := v.origin(""); from != nil {
				p.use(useOf("", from, v.name))
			} else {
				p.typeItem("", it.name, v, methods)
			}
		default:
			p.line(fmt.Sprintf("%s %s: %s;", keyword, plainName(it.name), sortName(it.item.sort)))
		}
	}
}

// plainName writes a name of an import or export of the world; those that are no identifiers of WIT are as they are.
func plainName(name string) string {
	if strings.ContainsAny(name, "[<=:/") {
		return name
	}
	return ident(name)
}
