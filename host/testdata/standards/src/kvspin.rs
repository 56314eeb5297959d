//! wasi:keyvalue@0.2.0-draft2 as Spin ships it: what get-many gives differs.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/keyvaluespin", "wit/kvdraft2"],
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
    out.push(format!("get-many {:?}", many.iter().map(|(k, v)| (k.clone(), v.as_ref().map(|v| text(v)))).collect::<Vec<_>>()));
    out
}

serve!(run);
