//! Orders, as orders/ has it in Go: it takes orders over HTTP, reserves stock by invoking inventory, keeps the order, its index
//! entry and the item's tally in one state transaction, and publishes order.placed.

mod keep;

use exports::mrt::http::handler::{Guest, Request, Response};
use mrt::http::types::Header;
use mrt::invoke::client::{self, invoke};
use mrt::log::logger::{log, Attr, Level};
use mrt::pubsub::publisher;
use serde::{Deserialize, Serialize};
use wasi::random::random::get_random_u64;

wit_bindgen::generate!({ path: "wit", world: "app", generate_all });

/// What is stored and published. Fields that a request leaves out are empty.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Order {
    id: String,
    item: String,
    qty: i64,
    status: String,
}

struct App;

export!(App);

impl Guest for App {
    fn handle(request: Request) -> Response {
        route(&request).unwrap_or_else(|refused| refused)
    }
}

/// What a request is answered with when it goes no further is an error.
type Answer = Result<Response, Response>;

fn route(request: &Request) -> Answer {
    let id = request.path.strip_prefix("/orders/").filter(|id| !id.is_empty() && !id.contains('/'));
    let path = &request.path;
    match (request.method.as_str(), path.as_str(), id) {
        ("POST", "/orders", _) => place(&request.body),
        ("GET", "/orders", _) => by_item(&request.query),
        ("GET", _, Some(id)) => get(id),
        (method, "/orders", _) => Err(error(405, format!("{path} does not take {method}; it takes GET, POST"))),
        (method, _, Some(_)) => Err(error(405, format!("{path} does not take {method}; it takes GET"))),
        _ => Err(error(404, format!("nothing is at {path}"))),
    }
}

fn place(body: &[u8]) -> Answer {
    let mut order: Order =
        serde_json::from_slice(body).map_err(|e| error(400, format!("the body is not the JSON of an order: {e}")))?;
    if order.item.is_empty() || order.item.contains('/') || order.qty < 1 {
        let (item, qty) = (&order.item, order.qty);
        let want = r#"want {"item": name without "/", "qty": at least 1}"#;
        return Err(error(400, format!("{want}, found item {item:?} and qty {qty}")));
    }
    order.id = format!("{:016x}", get_random_u64());
    order.status = "reserved".into();
    let text = serde_json::to_vec(&order).map_err(|e| error(500, e))?;
    inventory("reserve", &text)?;
    if let Err(failed) = keep::save(&order) {
        if inventory("release", &text).is_err() {
            line(Level::Error, "reserved stock was not given back", &order);
        }
        return Err(error(503, failed));
    }
    publisher::publish("", "order.placed", "application/json", &text, &[])
        .map_err(|e| error(503, format!("order {} is kept but was not announced: {e}", order.id)))?;
    line(Level::Info, "order placed", &order);
    Ok(json(201, &serde_json::json!({"id": order.id, "status": order.status})))
}

/// Calls a method of inventory. What it refuses is answered as it refused it.
fn inventory(method: &str, order: &[u8]) -> Result<(), Response> {
    let request = client::Request {
        verb: "POST".into(),
        path: method.into(),
        query: String::new(),
        headers: vec![mrt::invoke::types::Header { name: "content-type".into(), value: "application/json".into() }],
        body: order.to_vec(),
    };
    let response = invoke("inventory", &request).map_err(|e| error(502, e))?;
    if response.status < 400 {
        return Ok(());
    }
    let headers = response.headers.into_iter().map(|h| Header { name: h.name, value: h.value }).collect();
    Err(Response { status: response.status, headers, body: response.body })
}

fn get(id: &str) -> Answer {
    match keep::load::<Order>(&format!("order/{id}")).map_err(|e| error(503, e))? {
        Some((order, _)) => Ok(json(200, &order)),
        None => Err(error(404, format!("no order {id}"))),
    }
}

fn by_item(query: &str) -> Answer {
    let item = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "item").map(|(_, value)| value);
    let item = item.filter(|item| !item.is_empty()).ok_or_else(|| error(400, "want /orders?item=NAME"))?;
    let (orders, qty) = keep::of_item(&item).map_err(|e| error(503, e))?;
    Ok(json(200, &serde_json::json!({"item": item, "orders": orders, "qty": qty})))
}

fn line(level: Level, message: &str, order: &Order) {
    let attr = |key: &str, value: &str| Attr { key: key.into(), value: value.into() };
    log(level, message, &[attr("id", &order.id), attr("item", &order.item), attr("qty", &order.qty.to_string())]);
}

fn error(status: u16, text: impl std::fmt::Display) -> Response {
    json(status, &serde_json::json!({"error": text.to_string()}))
}

fn json(status: u16, value: &impl Serialize) -> Response {
    let headers = vec![Header { name: "content-type".into(), value: "application/json".into() }];
    match serde_json::to_vec(value) {
        Ok(body) => Response { status, headers, body },
        Err(e) => Response { status: 500, headers: vec![], body: e.to_string().into_bytes() },
    }
}
