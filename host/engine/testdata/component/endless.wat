;; Computes for ever when it is instantiated, in a module that is called by the one that starts.
(component
  (core module $a (memory (export "memory") 1) (func (export "loop") (loop (br 0))))
  (core module $b (import "a" "loop" (func $loop)) (start $loop))
  (core instance $a (instantiate $a))
  (core instance $b (instantiate $b (with "a" (instance $a))))
)
