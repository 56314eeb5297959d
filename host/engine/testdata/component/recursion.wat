;; Calls itself by way of the component's own boundary, as often as it is told.
(component
  (core module $m
    (table (export "t") 1 funcref)
    (func (export "rec") (param i32) (result i32)
      (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
      (i32.add (i32.const 1)
        (call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
  )
  (core instance $m (instantiate $m))
  (func $rec (param "n" u32) (result u32) (canon lift (core func $m "rec")))
  (core func $low (canon lower (func $rec)))
  (core module $fix
    (import "m" "t" (table 1 funcref))
    (import "m" "rec" (func $f (param i32) (result i32)))
    (elem (i32.const 0) $f))
  (core instance (instantiate $fix (with "m" (instance (export "t" (table $m "t")) (export "rec" (func $low))))))
  (export "rec" (func $rec))
)
