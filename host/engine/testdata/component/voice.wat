;; Exports an interface that speaker.wat imports.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)) ;; for one string at a time
    (func (export "length") (param i32 i32) (result i32) (local.get 1)))
  (core instance $m (instantiate $m))
  (func $length (param "s" string) (result u32)
    (canon lift (core func $m "length") (memory $m "memory") (realloc (func $m "realloc"))))
  (instance $voice (export "length" (func $length)))
  (export "test:res/voice@0.1.3" (instance $voice))
)
