;; Needs the interface of front.wat, which needs this one.
(component $cycle
  (import "test:chain/front" (instance $front (export "go" (func (result u32)))))
  (export "test:chain/next" (instance $front)))
