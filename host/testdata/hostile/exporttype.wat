;; A command whose run has another type than WASI's.
(component
  (core module $m (func (export "run") (param i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (param "n" u32) (result u32) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $r))
)
