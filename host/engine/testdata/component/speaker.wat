;; Calls an interface that voice.wat exports.
(component
  (import "test:res/voice@0.1.0" (instance $voice (export "length" (func (param "s" string) (result u32)))))
  (core module $libc (memory (export "memory") 1) (data (i32.const 16) "five!"))
  (core instance $libc (instantiate $libc))
  (core func $length (canon lower (func $voice "length") (memory $libc "memory")))
  (core module $m
    (import "" "length" (func $length (param i32 i32) (result i32)))
    (func (export "speak") (result i32) (call $length (i32.const 16) (i32.const 5))))
  (core instance $m (instantiate $m (with "" (instance (export "length" (func $length))))))
  (func (export "speak") (result u32) (canon lift (core func $m "speak")))
)
