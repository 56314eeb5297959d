package zbench
import ("testing";"syscall";"context";"fmt"
"github.com/mrt-wasm/mrt-wasm/abi"
abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
"github.com/mrt-wasm/mrt-wasm/host/engine"
"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest")
func cpu() int64 { var r syscall.Rusage; syscall.Getrusage(0,&r); return r.Utime.Nano()+r.Stime.Nano() }
type h struct{ abistate.StoreHost; e *abistate.Entry }
func (x h) Get(ctx context.Context, store, key string, c abistate.Consistency, m abistate.Metadata) (*abistate.Entry, *abistate.Error) { return x.e, nil }
func bench(b *testing.B, unint bool, en *abistate.Entry, method ...string) {
 m:=""; if len(method)>0 {m=method[0]}


 e:=enginetest.New(b, func(c *engine.Config){c.Uninterruptible=unint})
 p:=enginetest.Pool(b, e, build(b), engine.PoolConfig{Funcs: abistate.StoreFuncs(h{e:en}), Exports: abihttp.HandlerExports()})
 b.ReportAllocs()
 p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
   abihttp.CallHandlerHandle(ctx,g,abihttp.Request{Path:"100"})
   b.ResetTimer(); t0:=cpu(); defer func(){ b.ReportMetric(float64(cpu()-t0)/float64(b.N),"cpu-ns/op") }()
   r,err:=abihttp.CallHandlerHandle(ctx,g,abihttp.Request{Method:m,Path:fmt.Sprint(b.N)})
   if err!=nil||r.Status!=200 {b.Fatal(err,r)}
   return nil})
}
func build(b *testing.B) []byte { return enginetest.Build(b, "../../../guest-sdk/go/internal/wit/zbench") }

func BenchmarkMalloc64(b *testing.B){bench(b,true,nil,"malloc64")}
func BenchmarkMalloc16(b *testing.B){bench(b,true,nil,"malloc16")}
func BenchmarkMalloc1024(b *testing.B){bench(b,true,nil,"malloc1024")}
func BenchmarkCall(b *testing.B){bench(b,true,nil,"call")}
func BenchmarkNone(b *testing.B){bench(b,true,nil)}
func BenchmarkEmpty(b *testing.B){bench(b,true,&abistate.Entry{})}
func BenchmarkEmptyTag(b *testing.B){tag:="12"; bench(b,true,&abistate.Entry{ETag:&tag})}
func Benchmark16(b *testing.B){bench(b,true,&abistate.Entry{Value:make([]byte,16)})}
func Benchmark1024(b *testing.B){bench(b,true,&abistate.Entry{Value:make([]byte,1024)})}
func BenchmarkFull(b *testing.B){tag:="12"; bench(b,true,&abistate.Entry{Value:make([]byte,1024),ETag:&tag})}
func BenchmarkFullInterruptible(b *testing.B){tag:="12"; bench(b,false,&abistate.Entry{Value:make([]byte,1024),ETag:&tag})}
func BenchmarkHandle(b *testing.B){
 e:=enginetest.New(b, func(c *engine.Config){c.Uninterruptible=true})
 tag:="12"
 p:=enginetest.Pool(b, e, build(b), engine.PoolConfig{Funcs: abistate.StoreFuncs(h{e:&abistate.Entry{Value: make([]byte,1024), ETag:&tag}}), Exports: abihttp.HandlerExports()})
 b.ReportAllocs()
 req:=abihttp.Request{Method:"GET",Scheme:"http",Authority:"localhost:8080",Path:"0",Headers:[]abihttp.Header{{"a","b"},{"content-type","text/plain"}}}
 p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
   b.ResetTimer(); t0:=cpu(); defer func(){ b.ReportMetric(float64(cpu()-t0)/float64(b.N),"cpu-ns/op") }()
   for range b.N { r,err:=abihttp.CallHandlerHandle(ctx,g,req)
   if err!=nil||r.Status!=200 {b.Fatal(err,r)} }
   return nil})
}
