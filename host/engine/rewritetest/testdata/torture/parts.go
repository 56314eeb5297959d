package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"container/heap"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"hash/crc32"
	"io"
	"math"
	"math/big"
	"math/bits"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"time"
	"unicode"
)

type deep struct {
	Name     string
	Numbers  []float64
	Children map[string]*deep
}

func tree(depth int) *deep {
	t := &deep{Name: strconv.Itoa(depth), Numbers: []float64{float64(depth), 1 / float64(depth+1)}, Children: map[string]*deep{}}
	for i := range depth {
		t.Children[fmt.Sprint("c", i)] = tree(depth - i - 1)
	}
	return t
}

func panics(d *digest) {
	boom := func(i int) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("recovered %v", r)
			}
		}()
		var none []int
		var object any = i
		var zero int
		switch i % 5 {
		case 0:
			panic(errors.Join(io.EOF, io.ErrShortWrite))
		case 1:
			return fmt.Errorf("no panic, %d", none[i])
		case 2:
			return fmt.Errorf("no panic, %s", object.(string))
		case 3:
			return fmt.Errorf("no panic, %d", i/zero)
		}
		defer func() { panic(fmt.Sprint("second after ", recover())) }()
		panic("first")
	}
	for i := range 40 {
		d.add("%v;", boom(i))
	}
	func() {
		defer func() { d.add("%v", recover()) }()
		var p *deep
		p.Name = "nil"
	}()
}

func goroutines(d *digest) {
	var wg sync.WaitGroup
	var once sync.Once
	var total atomic.Int64
	cond := sync.NewCond(&sync.Mutex{})
	ready := false
	for i := range 200 {
		wg.Go(func() {
			once.Do(func() { total.Add(1_000_000) })
			cond.L.Lock()
			for !ready {
				cond.Wait()
			}
			cond.L.Unlock()
			for range i % 7 {
				runtime.Gosched()
			}
			total.Add(int64(i) * int64(i))
		})
	}
	runtime.Gosched()
	cond.L.Lock()
	ready = true
	cond.Broadcast()
	cond.L.Unlock()
	wg.Wait()
	d.add("%d", total.Load())
}

func channels(d *digest) {
	source, stages := make(chan int), 12
	in := source
	for range stages {
		out := make(chan int, 3)
		go func(in <-chan int) {
			defer close(out)
			for v := range in {
				out <- v*3 + 1
			}
		}(in)
		in = out
	}
	go func() {
		for i := range 300 {
			source <- i
		}
		close(source)
	}()
	for v := range in {
		d.add("%d,", v)
	}
	var nilChan chan int
	select {
	case <-nilChan:
	default:
		d.add("default")
	}
}

func timers(d *digest) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	n := 0
	late := time.After(time.Minute)
	for n < 3 {
		select {
		case <-tick.C:
			n++
		case <-late:
			d.add("late")
			return
		}
	}
	fired := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(fired) })
	<-fired
	d.add("%d ticks, stopped %t", n, time.NewTimer(time.Hour).Stop())
}

func maps(d *digest) {
	m := map[string][]int{}
	for i := range 5000 {
		k := strconv.Itoa(i * 7919 % 997)
		m[k] = append(m[k], i)
	}
	for i := range 300 {
		delete(m, strconv.Itoa(i*3))
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		d.add("%s=%d;", k, len(m[k]))
	}
	type pair struct {
		a, b any
	}
	mixed := map[any]int{1: 1, "1": 2, 1.0: 3, pair{1, "x"}: 4, [2]bool{true}: 5}
	d.add("%d %d %d", mixed[pair{1, "x"}], mixed[[2]bool{true, false}], mixed[1.0])
}

func regexps(d *digest) {
	re := regexp.MustCompile(`(?i)\b([a-z]+)-(\d{2,4})(?:\.(\w+))?`)
	text := strings.Repeat("Alpha-12.go beta-12345 Gamma-999.x delta-1 ", 40)
	d.add("%v", re.FindAllStringSubmatchIndex(text, -1))
	d.add("%s", re.ReplaceAllString(text[:200], "$3<$1>$2"))
	d.add("%t", regexp.MustCompile(`^(a|aa|aaa)*b?$`).MatchString(strings.Repeat("a", 300)+"c"))
}

func gobs(d *digest) {
	var b bytes.Buffer
	in := tree(5)
	if err := gob.NewEncoder(&b).Encode(in); err != nil {
		panic(err)
	}
	var out deep
	if err := gob.NewDecoder(&b).Decode(&out); err != nil {
		panic(err)
	}
	d.add("%t", out.Name == in.Name && slices.Equal(out.Numbers, in.Numbers) && len(out.Children) == len(in.Children))
}

func compression(d *digest) {
	var text bytes.Buffer
	for i := range 4000 {
		fmt.Fprintf(&text, "line %d of %x\n", i, i*i)
	}
	for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.BestCompression, flate.HuffmanOnly} {
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, level)
		if err != nil {
			panic(err)
		}
		w.Write(text.Bytes())
		w.Close()
		sum := sha256.Sum256(z.Bytes())
		r, err := gzip.NewReader(&z)
		if err != nil {
			panic(err)
		}
		back, err := io.ReadAll(r)
		d.add("%x %t %v", sum, bytes.Equal(back, text.Bytes()), err)
	}
}

func bigs(d *digest) {
	x, y := big.NewInt(3), big.NewInt(10)
	x.Exp(x, big.NewInt(4000), nil)
	y.Exp(y, big.NewInt(700), nil)
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	d.add("%s %s %d", q, r, new(big.Int).ModInverse(big.NewInt(12345), big.NewInt(1_000_003)))
	d.add("%t", new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1)).ProbablyPrime(4))
	d.add("%s", new(big.Float).SetPrec(300).Quo(big.NewFloat(1), big.NewFloat(7)).Text('g', 60))
}

func templates(d *digest) {
	const text = `{{define "node"}}<{{.Name}}{{range .Numbers}} {{printf "%.2f" .}}{{end}}{{range $k, $v := .Children}}{{template "node" $v}}{{end}}>{{end}}{{template "node" .}}`
	var b bytes.Buffer
	if err := template.Must(template.New("t").Parse(text)).Execute(&b, tree(6)); err != nil {
		panic(err)
	}
	d.add("%d %x", b.Len(), sha256.Sum256(b.Bytes()))
}

func goSource(d *digest) {
	const src = "package p\nimport \"fmt\"\ntype T[K comparable, V any] struct { m map[K]V; next *T[K,V] }\nfunc (t *T[K,V]) Get(k K) (v V, ok bool) { defer func(){ if r:=recover(); r!=nil { fmt.Println(r) } }(); for i:=0;i<3;i++ { switch { case i==1: continue; default: v, ok = t.m[k] } }; return }\n"
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "p.go", strings.Repeat("// c\n", 20)+src, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	kinds := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool { kinds[fmt.Sprintf("%T", n)]++; return true })
	var out bytes.Buffer
	if err := printer.Fprint(&out, set, f); err != nil {
		panic(err)
	}
	d.add("%v %s", kinds, out.String())
	_, err = parser.ParseExpr("1 + * 2 )")
	d.add("%v", err)
}

type speaker interface {
	Speak(n int, words ...string) (string, error)
}
type loud struct{ Times int }

func (l loud) Speak(n int, words ...string) (string, error) {
	if n < 0 {
		return "", fmt.Errorf("%d is negative", n)
	}
	return strings.Repeat(strings.ToUpper(strings.Join(words, "-")), n*l.Times), nil
}

func reflection(d *digest) {
	v := reflect.ValueOf(speaker(loud{2}))
	for i := range v.NumMethod() {
		d.add("%s %s", v.Type().Method(i).Name, v.Type().Method(i).Type)
	}
	for _, n := range []int{2, -1} {
		for _, r := range v.MethodByName("Speak").Call([]reflect.Value{reflect.ValueOf(n), reflect.ValueOf("a"), reflect.ValueOf("b")}) {
			d.add("%v;", r)
		}
	}
	swap := func(args []reflect.Value) []reflect.Value { return []reflect.Value{args[1], args[0]} }
	var f func(float32, [3]int64) ([3]int64, float32)
	reflect.ValueOf(&f).Elem().Set(reflect.MakeFunc(reflect.TypeOf(f), swap))
	a, b := f(1.5, [3]int64{1, 2, 3})
	d.add("%v %v", a, b)
	t := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[int]()}, {Name: "B", Type: reflect.TypeFor[map[string]bool](), Tag: `json:"bb"`}})
	p := reflect.New(t)
	d.add("%v %+v", json.Unmarshal([]byte(`{"A":4,"bb":{"x":true}}`), p.Interface()), p.Elem())
}

func recursion(d *digest) {
	var down func(n int, pad [16]int) int
	down = func(n int, pad [16]int) int {
		if n == 0 {
			return pad[3]
		}
		pad[n%16] += n
		return down(n-1, pad) ^ pad[5]
	}
	d.add("%d", down(800, [16]int{}))
	var even, odd func(n int) bool
	even = func(n int) bool { return n == 0 || odd(n-1) }
	odd = func(n int) bool { return n != 0 && even(n-1) }
	d.add("%t %d", even(801), ackermann(2, 60))
}

func ackermann(m, n int) int {
	switch {
	case m == 0:
		return n + 1
	case n == 0:
		return ackermann(m-1, 1)
	}
	return ackermann(m-1, ackermann(m, n-1))
}

func garbage(d *digest) {
	var keep [][]byte
	alive := 0
	for i := range 2000 {
		b := make([]byte, 500+i*3)
		b[i%len(b)] = byte(i)
		if i%50 == 0 {
			keep = append(keep, b)
		}
		if i%400 == 0 {
			runtime.GC()
		}
	}
	for i, b := range keep {
		alive += int(b[i*50%len(b)])
	}
	big := make([]int64, 1<<19)
	for i := range big {
		big[i] = int64(i)
	}
	runtime.GC()
	d.add("%d %d %d", len(keep), alive, big[len(big)-1])
}

func closures(d *digest) {
	compose := func(fs ...func(int) int) func(int) int {
		return func(x int) int {
			for _, f := range fs {
				x = f(x)
			}
			return x
		}
	}
	var fs []func(int) int
	for i := range 20 {
		fs = append(fs, func(x int) int { return x*i + len(fs) }, loud{i}.length)
	}
	d.add("%d", compose(fs...)(3))
	pull := func(yield func(int) bool) {
		for i := 0; yield(i * i); i++ {
		}
	}
	for v := range pull {
		if v > 500 {
			break
		}
		d.add("%d,", v)
	}
}

func (l loud) length(x int) int { return x ^ l.Times }

type number interface{ ~int | ~float64 | ~uint8 }

func sumOf[T number](list []T) (s T) {
	for _, v := range list {
		s += v
	}
	return s
}

type ranks []int

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return r[i] < r[j] }
func (r ranks) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranks) Push(x any)        { *r = append(*r, x.(int)) }
func (r *ranks) Pop() any          { x := (*r)[len(*r)-1]; *r = (*r)[:len(*r)-1]; return x }

func generics(d *digest) {
	d.add("%v %v %v", sumOf([]int{1, 2, 3}), sumOf([]float64{.5, .25}), sumOf([]uint8{200, 100}))
	r := &ranks{}
	for i := range 500 {
		heap.Push(r, i*7919%1009)
	}
	for r.Len() > 0 {
		d.add("%v,", heap.Pop(r))
	}
}

func floats(d *digest) {
	x := 1.0
	for i := 1; i < 400; i++ {
		f := float64(i)
		x = math.FMA(math.Sin(f), x, math.Sqrt(f)) / (1 + math.Exp(-x))
		d.add("%b %d %d %v", x, int32(math.Mod(x*1e6, 1e9)), uint64(math.Abs(x)*1e9), float32(x))
	}
	d.add("%d %d %v %v", int64(math.Float64frombits(math.Float64bits(1e18)-1)), bits.LeadingZeros64(12345), math.Inf(-1), math.NaN())
}

func texts(d *digest) {
	s := strings.Repeat("Grüße, 世界! ", 50)
	d.add("%s", strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToUpper(r)
		}
		return r
	}, s))
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })[:10] {
		d.add("%q %d %s", f, len([]rune(f)), base64.StdEncoding.EncodeToString([]byte(f)))
	}
	for i := range 300 {
		v, err := strconv.ParseFloat(strconv.FormatFloat(math.Pow(1.7, float64(i-150)), 'g', -1, 64), 64)
		d.add("%v %v", v, err)
	}
}

func hashes(d *digest) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 3000)
	d.add("%x %x %x %x", md5.Sum(data), sha256.Sum256(data), sha512.Sum512(data), crc32.ChecksumIEEE(data))
}

func jsons(d *digest) {
	b, err := json.MarshalIndent(tree(6), "", " ")
	d.add("%x %v", sha256.Sum256(b), err)
	var back any
	d.add("%v", json.Unmarshal(b, &back))
	again, err := json.Marshal(back)
	d.add("%x %v %v", sha256.Sum256(again), err, json.Unmarshal([]byte(`{"a":[1,2,}`), &back))
}

func copies(d *digest) {
	buf := make([]byte, 100_000)
	for i := range buf {
		buf[i] = byte(i * i >> 3)
	}
	for _, n := range []int{0, 1, 7, 255, 256, 257, 4096, 65_000} {
		copy(buf[n/2:], buf[:n])
		clear(buf[n : n+n/3])
		d.add("%x", sha256.Sum256(buf))
	}
}

func contexts(d *digest) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Millisecond, errors.New("too slow"))
	defer cancel()
	child := context.WithValue(ctx, digest{}, 7)
	stopped := make(chan bool)
	context.AfterFunc(child, func() { close(stopped) })
	<-stopped
	d.add("%v %v %v", child.Err(), context.Cause(child), child.Value(digest{}))
}
