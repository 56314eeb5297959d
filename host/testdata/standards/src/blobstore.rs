//! wasi:blobstore: writes and reads objects, as a whole and as streams.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/io", "../../../wit/deps/blobstore", "wit/blobstore"],
    world: "test:blobstore/blobstore",
    generate_all
});
use crate::text;
use wasi::blobstore::{
    blobstore as blobs,
    container::Container,
    types::{IncomingValue, ObjectId, OutgoingValue},
};

fn put(c: &Container, name: &str, parts: &[&[u8]]) -> Result<(), String> {
    let v = OutgoingValue::new_outgoing_value();
    let body = v.outgoing_value_write_body().expect("the stream");
    c.write_data(name, &v)?;
    for p in parts {
        for chunk in p.chunks(4096) {
            body.blocking_write_and_flush(chunk).expect("write");
        }
    }
    drop(body);
    OutgoingValue::finish(v)
}

fn get(c: &Container, name: &str, start: u64, end: u64) -> Result<String, String> {
    IncomingValue::incoming_value_consume_sync(c.get_data(name, start, end)?).map(|b| text(&b))
}

fn id(container: &str, object: &str) -> ObjectId {
    ObjectId { container: container.into(), object: object.into() }
}

fn names(c: &Container) -> Vec<String> {
    let list = c.list_objects().unwrap();
    let mut out = vec![];
    loop {
        let (mut some, end) = list.read_stream_object_names(2).unwrap();
        out.append(&mut some);
        if end {
            out.sort();
            return out;
        }
    }
}

fn run(_: &str, _: &str, _: Vec<u8>) -> Vec<String> {
    let mut out = vec![];
    let c = blobs::create_container("Photos/2026").unwrap();
    out.push(format!("exists {:?} {:?}", blobs::container_exists("Photos/2026"), blobs::container_exists("none")));
    out.push(format!("again {}", blobs::create_container("Photos/2026").is_err()));
    put(&c, "../a b.txt", &[b"hello ", b"world"]).unwrap();
    out.push(format!("all {:?}", get(&c, "../a b.txt", 0, u64::MAX)));
    out.push(format!("part {:?}", get(&c, "../a b.txt", 6, 8)));
    out.push(format!("beyond {}", get(&c, "../a b.txt", 11, 20).is_err()));
    // A stream of 1 MiB in and out.
    let block = vec![7u8; 1 << 16];
    put(&c, "big", &[&block[..]; 16]).unwrap();
    let v = c.get_data("big", 0, u64::MAX).unwrap();
    let size = v.size();
    let body = IncomingValue::incoming_value_consume_async(v).unwrap();
    let mut sum = 0u64;
    while let Ok(b) = body.blocking_read(1 << 16) {
        sum += b.iter().map(|x| *x as u64).sum::<u64>();
    }
    drop(body);
    out.push(format!("big {size} {sum}"));
    // What is not finished does not count.
    let v = OutgoingValue::new_outgoing_value();
    c.write_data("lost", &v).unwrap();
    drop(v);
    out.push(format!("lost {:?}", c.has_object("lost")));
    let other = blobs::create_container("other").unwrap();
    blobs::copy_object(&id("Photos/2026", "../a b.txt"), &id("other", "copy")).unwrap();
    blobs::move_object(&id("Photos/2026", "big"), &id("other", "moved")).unwrap();
    out.push(format!("names {:?} {:?}", names(&c), names(&other)));
    out.push(format!("info {:?} {}", other.object_info("copy").unwrap().size, other.info().unwrap().created_at > 1_700_000_000));
    other.delete_objects(&["copy".into(), "none".into()]).unwrap();
    c.clear().unwrap();
    out.push(format!("cleared {:?} {:?}", names(&c), names(&other)));
    blobs::delete_container("other").unwrap();
    out.push(format!("deleted {} {}", blobs::get_container("other").is_err(), other.list_objects().is_err()));
    out
}

serve!(run);
