;; A guest that takes a handle of the host's when it starts, and uses it later.
(component
  (import "test:res/things@0.2.0" (instance $things
    (export "thing" (type $thing (sub resource)))
    (export "[constructor]thing" (func (param "n" u32) (result (own $thing))))
    (export "[method]thing.get" (func (param "self" (borrow $thing)) (result u32)))
  ))
  (core func $new (canon lower (func $things "[constructor]thing")))
  (core func $get (canon lower (func $things "[method]thing.get")))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "get" (func $get (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $handle (mut i32) (i32.const 0))
    (func $start (global.set $handle (call $new (i32.const 7))))
    (start $start)
    (func (export "use") (result i32) (call $get (global.get $handle)))
  )
  (core instance $m (instantiate $m (with "" (instance (export "new" (func $new)) (export "get" (func $get))))))
  (func (export "use") (result u32) (canon lift (core func $m "use")))
)
