;; A command that handles HTTP requests too, so that it is served and not run.
(component
  (core module $m
    (func (export "run") (result i32) (i32.const 0))
  )
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@0.2.12" (instance $r))
  (export "mrt:http/handler@0.1.0" (instance $r))
)
