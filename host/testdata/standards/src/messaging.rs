//! wasi:messaging: sends, requests, takes messages and answers them.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/messaging", "../../../wit/deps/logging", "wit/messaging"],
    world: "test:messaging/messaging",
    generate_all
});
use crate::text;
use exports::wasi::messaging::incoming_handler;
use wasi::logging::logging::{log, Level};
use wasi::messaging::{
    producer,
    request_reply::{self, RequestOptions},
    types::{Client, Error, Message},
};

fn run(_: &str, path: &str, body: Vec<u8>) -> Vec<String> {
    let client = Client::connect("default").expect("the default component");
    let m = Message::new(&body);
    m.set_content_type("text/plain");
    m.add_metadata("colour", "blue");
    m.add_metadata("X-Upper", "kept");
    if path.ends_with("/send") {
        return vec![format!("send {:?}", producer::send(&client, "news".into(), m).is_ok())];
    }
    if path.ends_with("/nobody") {
        let o = RequestOptions::new();
        o.set_timeout_ms(50);
        return vec![format!("{:?}", request_reply::request(&client, "silence", &m, Some(o)).err())];
    }
    let o = RequestOptions::new();
    o.set_timeout_ms(20_000);
    o.set_expected_replies(2);
    let replies = request_reply::request(&client, "questions", &m, Some(o)).expect("replies");
    let mut out: Vec<String> = replies.iter().map(|r| text(&r.data())).collect();
    out.sort();
    client.disconnect().unwrap();
    out.push(format!("{:?}", producer::send(&client, "news".into(), Message::new(b"")).is_err()));
    out.push(format!("{:?}", Client::connect("hidden").err().map(|e| matches!(e, Error::PermissionDenied(_)))));
    out
}

serve!(run);

impl incoming_handler::Guest for App {
    fn handle(m: Message) -> Result<(), Error> {
        let data = text(&m.data());
        match m.topic().as_deref() {
            Some("questions") => {
                for n in 1..=2 {
                    request_reply::reply(&m, Message::new(format!("answer {n} to {data}").as_bytes()))?;
                }
                Ok(())
            }
            topic => {
                let mut meta = m.metadata().unwrap_or_default();
                meta.retain(|(k, _)| k == "colour" || k == "X-Upper" || k == "cloudevent.source");
                meta.sort();
                log(Level::Info, "handler", &format!("{topic:?} {:?} {data} {meta:?}", m.content_type()));
                // A message without reply-to is answered by nobody, and that is no error.
                request_reply::reply(&m, Message::new(b"unheard"))?;
                if data == "again" && !SEEN.swap(true, std::sync::atomic::Ordering::Relaxed) {
                    return Err(Error::Other("not now".into()));
                }
                Ok(())
            }
        }
    }
}

/// Tells that a message was refused once; the app reuses its one instance.
static SEEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
