//! Tells in the log of every key that it is told of.
wit_bindgen::generate!({
    path: ["../../../wit/deps/keyvalue", "../../../wit/deps/logging", "wit/kvwatch"],
    world: "test:kvwatch/kvwatch",
    generate_all
});
use crate::text;
use exports::wasi::keyvalue::watcher;
use wasi::logging::logging::{log, Level};

struct App;

impl watcher::Guest for App {
    fn on_set(b: watcher::Bucket, key: String, value: Vec<u8>) {
        let now = b.get(&key).is_ok();
        log(Level::Info, "watch", &format!("set {key}={} {now}", text(&value)));
    }
    fn on_delete(_: watcher::Bucket, key: String) {
        log(Level::Info, "watch", &format!("deleted {key}"));
    }
}

export!(App);
