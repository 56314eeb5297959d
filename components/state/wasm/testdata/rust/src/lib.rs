//! A state store in the memory of the component: it can all that a store can, but queries. Keys that end in "trap" make
//! it panic, and those that end in "spin" make it compute for ever.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

wit_bindgen::generate!({
    path: ["../../../../../wit/log", "../../../../../wit/state", "wit"],
    world: "test:store/guest",
    generate_all,
});

use exports::mrt::state::{bulk_getter, driver, expirer, lister, transactor};
use mrt::log::logger;
use mrt::state::types::{Concurrency, Consistency, DeleteItem, Entry, Error, KeyPage, Metadata, Operation, SetItem};

/// A value with its version and its end.
#[derive(Clone)]
struct Value {
    data: Vec<u8>,
    version: u64,
    expires: Option<SystemTime>,
}

#[derive(Default)]
struct Data {
    values: BTreeMap<String, Value>,
    version: u64,
}

thread_local! {
    static DATA: RefCell<Data> = RefCell::default();
}

impl Data {
    fn find(&mut self, key: &str) -> Option<&Value> {
        let over = |v: &Value| v.expires.is_some_and(|t| t <= SystemTime::now());
        if self.values.get(key).is_some_and(over) {
            self.values.remove(key);
        }
        self.values.get(key)
    }

    fn entry(&mut self, key: &str) -> Option<Entry> {
        self.find(key).map(|v| Entry {
            value: v.data.clone(),
            etag: Some(v.version.to_string()),
            metadata: v.expires.map(|t| ("ttlExpireTime".into(), rfc3339(t))).into_iter().collect(),
        })
    }

    fn check(&mut self, key: &str, etag: &Option<String>, concurrency: Concurrency) -> Result<(), Error> {
        let found = self.find(key).map(|v| v.version.to_string());
        let good = match (concurrency, etag) {
            (Concurrency::LastWrite, _) => true,
            (_, Some(etag)) => found.as_ref() == Some(etag),
            (Concurrency::FirstWrite, None) => found.is_none(),
            (Concurrency::Unspecified, None) => true,
        };
        if good { Ok(()) } else { Err(Error::EtagMismatch(format!("key {key:?} has another etag"))) }
    }

    fn set(&mut self, item: SetItem) -> Result<(), Error> {
        self.check(&item.key, &item.etag, item.concurrency)?;
        self.version += 1;
        let seconds = item.ttl_seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
        let expires = seconds.map(|s| SystemTime::now() + Duration::from_secs(s));
        self.values.insert(item.key, Value { data: item.value, version: self.version, expires });
        Ok(())
    }

    fn delete(&mut self, item: DeleteItem) -> Result<(), Error> {
        self.check(&item.key, &item.etag, item.concurrency)?;
        self.values.remove(&item.key);
        Ok(())
    }
}

struct Store;

impl driver::Guest for Store {
    /// Takes the metadata "fail", which is an error to give, and "seed", a key to begin with.
    fn init(metadata: Metadata) -> Result<(), Error> {
        let field = |name: &str| metadata.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        match field("fail") {
            None => {}
            Some("trap") => panic!("asked to trap at init"),
            Some("unavailable") => return Err(Error::Unavailable("asked to fail".into())),
            Some(other) => return Err(Error::InvalidRequest(other.into())),
        }
        println!("init with {} fields", metadata.len());
        logger::log(logger::Level::Info, "init", &[]);
        if let Some(key) = field("seed") {
            DATA.with_borrow_mut(|d| {
                d.version += 1;
                d.values.insert(key.into(), Value { data: b"seeded".to_vec(), version: d.version, expires: None });
            });
        }
        Ok(())
    }

    fn get(key: String, _: Consistency, _: Metadata) -> Result<Option<Entry>, Error> {
        assert!(!key.ends_with("trap"), "asked to trap");
        while key.ends_with("spin") {
            std::hint::black_box(());
        }
        Ok(DATA.with_borrow_mut(|d| d.entry(&key)))
    }

    fn set(item: SetItem) -> Result<(), Error> {
        DATA.with_borrow_mut(|d| d.set(item))
    }

    fn delete(item: DeleteItem) -> Result<(), Error> {
        DATA.with_borrow_mut(|d| d.delete(item))
    }
}

impl transactor::Guest for Store {
    fn transact(operations: Vec<Operation>, _: Metadata) -> Result<(), Error> {
        DATA.with_borrow_mut(|d| {
            let before = d.values.clone();
            for operation in operations {
                let done = match operation {
                    Operation::Upsert(item) => d.set(item),
                    Operation::Delete(item) => d.delete(item),
                };
                if done.is_err() {
                    d.values = before;
                    return done;
                }
            }
            Ok(())
        })
    }
}

impl bulk_getter::Guest for Store {
    fn bulk_get(keys: Vec<String>, _: Consistency, _: Metadata) -> Result<Vec<Option<Entry>>, Error> {
        Ok(DATA.with_borrow_mut(|d| keys.iter().map(|k| d.entry(k)).collect()))
    }
}

impl lister::Guest for Store {
    fn list_keys(prefix: String, limit: u32, token: String) -> Result<KeyPage, Error> {
        let after = after(&prefix, &token)?;
        DATA.with_borrow_mut(|d| {
            let all: Vec<String> = d.values.keys().filter(|k| k.starts_with(&prefix) && **k > after).cloned().collect();
            let mut keys: Vec<String> = all.into_iter().filter(|k| d.find(k).is_some()).collect();
            let more = keys.len() > limit as usize;
            keys.truncate(limit as usize);
            let next = keys.last().filter(|_| more).map(|k| k.bytes().map(|b| format!("{b:02x}")).collect());
            Ok(KeyPage { keys, next })
        })
    }
}

impl expirer::Guest for Store {
    fn expires() -> bool {
        true
    }
}

/// Gives the key that a page starts after. Tokens are keys in hexadecimal; they come from apps.
fn after(prefix: &str, token: &str) -> Result<String, Error> {
    let bytes: Option<Vec<u8>> = token
        .as_bytes()
        .chunks(2)
        .map(|c| std::str::from_utf8(c).ok().filter(|c| c.len() == 2).and_then(|c| u8::from_str_radix(c, 16).ok()))
        .collect();
    match bytes.and_then(|b| String::from_utf8(b).ok()) {
        Some(key) if token.is_empty() || key.starts_with(prefix) => Ok(key),
        _ => Err(Error::InvalidRequest(format!("page token {token:?} is not one that listing this prefix gave"))),
    }
}

/// Gives a time after 1970 in RFC 3339, to the millisecond.
fn rfc3339(t: SystemTime) -> String {
    let since = t.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (mut year, mut left) = (1970, days);
    let leap = |y: u64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", month + 1, left + 1, since.subsec_millis())
}

export!(Store);
