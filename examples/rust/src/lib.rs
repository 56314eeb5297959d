//! The app rust keeps notes: over HTTP they are put, read and deleted; each that is put is announced on the topic
//! `notes`, of which the app remembers the last.

use exports::mrt::http::handler::{self, Request, Response};
use exports::mrt::pubsub::subscriber::{self, Event, Outcome};
use mrt::http::types::Header;
use mrt::log::logger::{log, Attr, Level};
use mrt::pubsub::publisher;
use mrt::state::store;
use mrt::state::types::{Concurrency, Consistency, DeleteItem, SetItem};

wit_bindgen::generate!({ path: "wit", world: "app", generate_all });

/// What the paths of all requests start with: the route in manifest.yaml.
const ROOT: &str = "/rust";

/// The key of the last note that came from the topic. Keys of notes start with NOTE.
const LAST: &str = "last";
const NOTE: &str = "note/";

struct App;

export!(App);

impl handler::Guest for App {
    fn handle(request: Request) -> Response {
        route(request).unwrap_or_else(|text| answer(500, text))
    }
}

impl subscriber::Guest for App {
    fn handle(event: Event) -> Outcome {
        info("note received", &event.id);
        match set(LAST, event.data) {
            Ok(()) => Outcome::Success,
            Err(text) => Outcome::Retry(text),
        }
    }
}

fn route(request: Request) -> Result<Response, String> {
    let path = request.path.strip_prefix(ROOT).unwrap_or_default();
    let key = path.strip_prefix("/notes/");
    match (request.method.as_str(), key) {
        ("GET", _) if path == "/last" => read(LAST),
        (_, None) => Ok(answer(404, format!("want {ROOT}/notes/KEY or {ROOT}/last"))),
        (_, Some("")) => Ok(answer(400, format!("want {ROOT}/notes/KEY, found no key"))),
        ("GET", Some(key)) => read(&format!("{NOTE}{key}")),
        ("PUT", Some(key)) => put(key, request.body),
        ("DELETE", Some(key)) => delete(key),
        (method, _) => Ok(answer(405, format!("want GET, PUT or DELETE, found {method}"))),
    }
}

fn read(key: &str) -> Result<Response, String> {
    let entry = store::get("", key, Consistency::Unspecified, &[]).map_err(state_text)?;
    Ok(entry.map_or_else(|| answer(404, "no such note".into()), |e| response(200, e.value)))
}

fn put(key: &str, note: Vec<u8>) -> Result<Response, String> {
    set(&format!("{NOTE}{key}"), note.clone())?;
    publisher::publish("", "notes", "text/plain", &note, &[]).map_err(pubsub_text)?;
    info("note kept", key);
    Ok(response(204, vec![]))
}

fn delete(key: &str) -> Result<Response, String> {
    let item = DeleteItem {
        key: format!("{NOTE}{key}"),
        etag: None,
        concurrency: Concurrency::Unspecified,
        consistency: Consistency::Unspecified,
        metadata: vec![],
    };
    store::delete("", &item).map_err(state_text)?;
    info("note deleted", key);
    Ok(response(204, vec![]))
}

fn set(key: &str, value: Vec<u8>) -> Result<(), String> {
    let item = SetItem {
        key: key.into(),
        value,
        etag: None,
        concurrency: Concurrency::Unspecified,
        consistency: Consistency::Unspecified,
        ttl_seconds: None,
        metadata: vec![],
    };
    store::set("", &item).map_err(state_text)
}

fn state_text(error: mrt::state::types::Error) -> String {
    use mrt::state::types::Error::*;
    match error {
        StoreNotFound(text) | InvalidKey(text) | EtagMismatch(text) | InvalidEtag(text) | InvalidRequest(text)
        | NotSupported(text) | Unavailable(text) | Other(text) => text,
    }
}

fn pubsub_text(error: mrt::pubsub::types::Error) -> String {
    use mrt::pubsub::types::Error::*;
    match error {
        PubsubNotFound(text) | InvalidTopic(text) | Forbidden(text) | InvalidRequest(text) | Unavailable(text)
        | Other(text) => text,
    }
}

fn info(message: &str, note: &str) {
    log(Level::Info, message, &[Attr { key: "note".into(), value: note.into() }]);
}

fn answer(status: u16, text: String) -> Response {
    response(status, (text + "\n").into_bytes())
}

fn response(status: u16, body: Vec<u8>) -> Response {
    let headers = vec![Header { name: "content-type".into(), value: "text/plain".into() }];
    Response { status, headers, body }
}
