;; A command that imports an interface which the host has not.
(component
  (import "acme:pricing/quotes@1.0.0" (instance $quotes
    (export "price" (func (param "item" string) (result u64)))
    (export "currency" (func (result string)))
  ))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  )
  (core instance $libc (instantiate $libc))
  (core func $price (canon lower (func $quotes "price") (memory (core memory $libc "memory"))))
  (core func $currency (canon lower (func $quotes "currency")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "" "price" (func (param i32 i32) (result i64)))
    (import "" "currency" (func (param i32)))
    (func (export "run") (result i32) (i32.const 0))
  )
  (core instance $i (instantiate $m (with "" (instance (export "price" (func $price)) (export "currency" (func $currency))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r))
)
