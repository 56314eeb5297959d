//! What orders keeps in state.

use crate::mrt::state::store;
use crate::mrt::state::types::{Concurrency, Consistency, Error, Operation, SetItem};
use crate::Order;
use serde::{de::DeserializeOwned, Deserialize, Serialize};

/// Counts the orders of one item; it is written under its etag.
#[derive(Default, Deserialize, Serialize)]
struct Tally {
    orders: i64,
    qty: i64,
}

/// Reads a value and its etag.
pub fn load<T: DeserializeOwned>(key: &str) -> Result<Option<(T, Option<String>)>, String> {
    let entry = store::get("", key, Consistency::Unspecified, &[]).map_err(|e| e.to_string())?;
    entry
        .map(|e| Ok((serde_json::from_slice(&e.value).map_err(|err| format!("the value of {key}: {err}"))?, e.etag)))
        .transpose()
}

/// Writes order, index entry and tally together; the tally's etag makes it repeat when another order of the same item came
/// between.
pub fn save(order: &Order) -> Result<(), String> {
    let key = format!("tally/{}", order.item);
    loop {
        let (mut tally, etag) = load::<Tally>(&key)?.unwrap_or_default();
        tally.orders += 1;
        tally.qty += order.qty;
        let operations = [
            write(format!("order/{}", order.id), text(order)?, None),
            write(format!("by-item/{}/{}", order.item, order.id), vec![], None),
            write(key.clone(), text(&tally)?, etag),
        ];
        match store::transact("", &operations, &[]) {
            Err(Error::EtagMismatch(_)) => continue,
            done => return done.map_err(|e| e.to_string()),
        }
    }
}

/// Gives the ids of an item's orders, and how many pieces they are together.
pub fn of_item(item: &str) -> Result<(Vec<String>, i64), String> {
    let prefix = format!("by-item/{item}/");
    let (mut ids, mut token) = (vec![], String::new());
    loop {
        let page = store::list_keys("", &prefix, 0, &token).map_err(|e| e.to_string())?;
        ids.extend(page.keys.iter().map(|key| key[prefix.len()..].to_string()));
        match page.next {
            Some(next) => token = next,
            None => break,
        }
    }
    let tally = load::<Tally>(&format!("tally/{item}"))?;
    Ok((ids, tally.map_or(0, |(t, _)| t.qty)))
}

/// A write that fails unless the etag is current; without an etag it fails if the key exists.
fn write(key: String, value: Vec<u8>, etag: Option<String>) -> Operation {
    Operation::Upsert(SetItem {
        key,
        value,
        etag,
        concurrency: Concurrency::FirstWrite,
        consistency: Consistency::Unspecified,
        ttl_seconds: None,
        metadata: vec![],
    })
}

fn text(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|e| e.to_string())
}
