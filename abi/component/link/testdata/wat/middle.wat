;; Exports the interface that it imports: with each call it calls the next one.
(component $middle
  (import "test:chain/next" (instance $next (export "go" (func (result u32)))))
  (core func $go (canon lower (func $next "go")))
  (core module $M
    (import "n" "go" (func $go (result i32)))
    (func (export "go") (result i32) (call $go)))
  (core instance $m (instantiate $M (with "n" (instance (export "go" (func $go))))))
  (func $go' (result u32) (canon lift (core func $m "go")))
  (instance $out (export "go" (func $go')))
  (export "test:chain/next" (instance $out)))
