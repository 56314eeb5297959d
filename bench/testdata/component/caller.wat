;; Calls n times: a function of its own core module, or one that it imports. Strings are of 1 KiB. Made to caller.wasm by:
;; wasm-tools parse caller.wat -o caller.wasm
(component
  (import "bench:call/callee@1.0.0" (instance $callee
    (export "number" (func (param "x" u32) (result u32)))
    (export "text" (func (param "s" string) (result u32)))
    (export "same" (func (param "s" string) (result string)))))
  (core module $lib
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384)))
  (core instance $lib (instantiate $lib))
  (alias core export $lib "memory" (core memory $memory))
  (alias core export $lib "realloc" (core func $realloc))
  (core func $number (canon lower (func $callee "number")))
  (core func $text (canon lower (func $callee "text") (memory $memory) (realloc $realloc)))
  (core func $same (canon lower (func $callee "same") (memory $memory) (realloc $realloc)))
  (core module $m
    (import "lib" "memory" (memory 1))
    (import "callee" "number" (func $number (param i32) (result i32)))
    (import "callee" "text" (func $text (param i32 i32) (result i32)))
    (import "callee" "same" (func $same (param i32 i32 i32)))
    (func $own (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "own") (param $n i32) (result i32) (local $x i32)
      (loop $again
        (local.set $x (call $own (local.get $x)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x))
    (func (export "number") (param $n i32) (result i32) (local $x i32)
      (loop $again
        (local.set $x (call $number (local.get $x)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x))
    (func (export "text") (param $n i32) (result i32) (local $x i32)
      (loop $again
        (local.set $x (i32.add (local.get $x) (call $text (i32.const 4096) (i32.const 1024))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x))
    (func (export "same") (param $n i32) (result i32) (local $x i32)
      (loop $again
        (call $same (i32.const 4096) (i32.const 1024) (i32.const 16))
        (local.set $x (i32.add (local.get $x) (i32.load (i32.const 20))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $x)))
  (core instance $i (instantiate $m
    (with "lib" (instance $lib))
    (with "callee" (instance (export "number" (func $number)) (export "text" (func $text)) (export "same" (func $same))))))
  (func $own (param "n" u32) (result u32) (canon lift (core func $i "own")))
  (func $numbers (param "n" u32) (result u32) (canon lift (core func $i "number")))
  (func $texts (param "n" u32) (result u32) (canon lift (core func $i "text")))
  (func $sames (param "n" u32) (result u32) (canon lift (core func $i "same")))
  (instance $caller
    (export "own" (func $own)) (export "number" (func $numbers)) (export "text" (func $texts)) (export "same" (func $sames)))
  (export "bench:call/caller@1.0.0" (instance $caller)))
