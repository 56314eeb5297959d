;; What a host cannot provide, and types of all kinds.
(component
  (import "lib" (core module $lib (export "f" (func))))
  (import "part" (component $part (export "f" (func))))
  (import "all" (instance
    (type $color' (enum "red" "green")) (export "color" (type $color (eq $color')))
    (type $perm' (flags "read" "write")) (export "perm" (type $perm (eq $perm')))
    (type $item' (record (field "type" string) (field "size" (option u64)) (field "colors" (list $color))))
    (export "item" (type $item (eq $item')))
    (type $shape' (variant (case "none") (case "some" $item)))
    (export "shape" (type $shape (eq $shape')))
    (type $u32 u32) (export "length" (type (eq $u32)))
    (export "node" (type $node (sub resource)))
    (export "[constructor]node" (func (param "shape" $shape) (result (own $node))))
    (export "[method]node.next" (func (param "self" (borrow $node)) (result (option (own $node)))))
    (export "[static]node.join" (func (param "list" (list (borrow $node))) (param "perm" $perm) (result (result (own $node) (error string)))))
    (export "log" (func (param "at" (tuple s8 f64 char)) (result (result))))))
  (import "done" (func (param "ok" bool)))
  (export "library" (core module $lib)))
