;; Imports the interface of middle.wat and exports what middle.wat does not.
(component $front
  (import "test:chain/next" (instance $next (export "go" (func (result u32)))))
  (core func $go (canon lower (func $next "go")))
  ;; A function that is lowered and lifted again without a core module in between.
  (func $go' (result u32) (canon lift (core func $go)))
  (instance $out (export "go" (func $go')))
  (export "test:chain/front" (instance $out)))
