;; What caller.wat calls. Memory is always given out at the same place. Made to callee.wasm by: wasm-tools parse callee.wat -o callee.wasm
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
    (func (export "number") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "text") (param i32 i32) (result i32) (local.get 1))
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func $number (param "x" u32) (result u32) (canon lift (core func $i "number")))
  (func $text (param "s" string) (result u32)
    (canon lift (core func $i "text") (memory $memory) (realloc $realloc)))
  (func $same (param "s" string) (result string)
    (canon lift (core func $i "same") (memory $memory) (realloc $realloc)))
  (instance $callee
    (export "number" (func $number)) (export "text" (func $text)) (export "same" (func $same)))
  (export "bench:call/callee@1.0.0" (instance $callee)))
