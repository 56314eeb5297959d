;; Exports the interface that app.wat needs with another type of one function.
(component
  (type $r (resource (rep i32)))
  (core module $M
    (func (export "make") (param i32) (result i32) unreachable)
    (func (export "bump") (param i32 i64) (result i32) unreachable))
  (core instance $m (instantiate $M))
  (func $make (param "start" u32) (result (own $r)) (canon lift (core func $m "make")))
  (func $bump (param "self" (borrow $r)) (param "by" u64) (result u32) (canon lift (core func $m "bump")))
  (component $shim
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "start" u32) (result (own $r))))
    (import "bump" (func $bump (param "self" (borrow $r)) (param "by" u64) (result u32)))
    (export $r' "counter" (type $r))
    (export "[constructor]counter" (func $make) (func (param "start" u32) (result (own $r'))))
    (export "[method]counter.bump" (func $bump) (func (param "self" (borrow $r')) (param "by" u64) (result u32))))
  (instance $out (instantiate $shim (with "r" (type $r)) (with "make" (func $make)) (with "bump" (func $bump))))
  (export "test:count/counters@1.4.0" (instance $out)))
