//! wasi:keyvalue@0.2.0-draft: numbers without sign, cursors that count. It watches, too.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/keyvaluedraft", "wit/kvdraft"],
    world: "test:kvdraft/kvdraft",
    generate_all
});
use crate::text;
use exports::wasi::keyvalue::watcher;
use wasi::keyvalue::{atomics, batch, store};

fn run(_: &str, _: &str, _: Vec<u8>) -> Vec<String> {
    let b = store::open("").expect("the default store");
    let mut out = vec![];
    b.set("a", b"1").unwrap();
    b.set("b", b"two").unwrap();
    out.push(format!("get {:?}", b.get("b").unwrap().map(|v| text(&v))));
    out.push(format!("increment {:?}", atomics::increment(&b, "a", 41)));
    out.push(format!("increment {:?}", atomics::increment(&b, "new", u64::MAX)));
    out.push(format!("increment {}", atomics::increment(&b, "b", 1).is_err()));
    let many = batch::get_many(&b, &["a".into(), "none".into(), "b".into()]).unwrap();
    out.push(format!("get-many {:?}", many.iter().map(|e| e.as_ref().map(|(k, v)| (k.clone(), text(v)))).collect::<Vec<_>>()));
    batch::delete_many(&b, &["new".into()]).unwrap();
    out.push(format!("exists {:?}", b.exists("new")));
    let mut page = b.list_keys(None).unwrap();
    page.keys.retain(|k| !k.starts_with("seen "));
    out.push(format!("keys {:?} {:?}", page.keys, page.cursor));
    out.push(format!("open {:?}", store::open("nowhere").err()));
    out.push(format!("open {:?}", store::open("hidden").err()));
    out
}

serve!(run);

impl watcher::Guest for App {
    fn on_set(b: watcher::Bucket, key: String, value: Vec<u8>) {
        if !key.starts_with("seen ") {
            b.set(&format!("seen {key}"), &value).unwrap();
        }
    }
    fn on_delete(b: watcher::Bucket, key: String) {
        if !key.starts_with("seen ") {
            b.set(&format!("seen {key}"), b"deleted").unwrap();
        }
    }
}
