//! wasi:keyvalue@0.2.0-draft2 as upstream has it: numbers with sign, compare-and-swap, cursors that are text.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/keyvalue", "wit/kvdraft2"],
    world: "test:kvdraft2/kvdraft2",
    generate_all
});
use crate::text;
use wasi::keyvalue::{atomics, batch, store};

fn run(_: &str, _: &str, _: Vec<u8>) -> Vec<String> {
    let b = store::open("default").expect("the default store");
    let mut out = vec![];
    b.set("b", b"two").unwrap();
    out.push(format!("increment {:?}", atomics::increment(&b, "n", -3)));
    let many = batch::get_many(&b, &["n".into(), "none".into(), "b".into()]).unwrap();
    out.push(format!("get-many {:?}", many.iter().map(|e| e.as_ref().map(|(k, v)| (k.clone(), text(v)))).collect::<Vec<_>>()));
    let mine = atomics::Cas::new(&b, "c").unwrap();
    let late = atomics::Cas::new(&b, "c").unwrap();
    out.push(format!("current {:?}", mine.current().unwrap().map(|v| text(&v))));
    out.push(format!("swap {:?}", atomics::swap(mine, b"first").is_ok()));
    match atomics::swap(late, b"second") {
        Err(atomics::CasError::CasFailed(now)) => {
            out.push(format!("failed {:?}", now.current().unwrap().map(|v| text(&v))));
            out.push(format!("swap {:?}", atomics::swap(now, b"third").is_ok()));
        }
        other => out.push(format!("not failed: {}", other.is_ok())),
    }
    batch::set_many(&b, &[("x".into(), b"1".to_vec()), ("y".into(), b"2".to_vec())]).unwrap();
    let page = b.list_keys(None).unwrap();
    out.push(format!("keys {:?} {:?}", page.keys, page.cursor));
    out.push(format!("open {:?}", store::open("nowhere").err()));
    out
}

serve!(run);
