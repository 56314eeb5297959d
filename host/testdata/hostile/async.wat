;; A command that is lifted asynchronously.
(component
  (core module $m
    (func (export "run") (result i32) (i32.const 0))
    (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0))
  )
  (core instance $i (instantiate $m))
  (func $run async (result (result)) (canon lift (core func $i "run") async (callback (core func $i "callback"))))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.3.0" (instance $r))
)
