;; A command that imports functions of WASI with types that they do not have, and one that is not there.
(component
  (import "wasi:random/random@0.2.3" (instance $random
    (export "get-random-u64" (func (result u32)))
    (export "get-random-u128" (func (result (tuple u64 u64))))
  ))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (export "now" (func (param "precision" u32) (result u64)))
  ))
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (core func $u64 (canon lower (func $random "get-random-u64")))
  (core func $u128 (canon lower (func $random "get-random-u128") (memory (core memory $libc "memory"))))
  (core func $now (canon lower (func $clock "now")))
  (core module $m
    (import "" "u64" (func (result i32)))
    (import "" "u128" (func (param i32)))
    (import "" "now" (func (param i32) (result i64)))
    (func (export "run") (result i32) (i32.const 0))
  )
  (core instance $i (instantiate $m (with "" (instance
    (export "u64" (func $u64)) (export "u128" (func $u128)) (export "now" (func $now))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r))
)
