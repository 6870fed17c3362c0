//! Lists: any query is refused or answered by pages that follow one another to the list's end.

use std::collections::BTreeSet;

use serde_json::Value;

use super::shop::{Heard, shop};

/// Who asks for which list; the first byte chooses.
const LISTS: [(&str, &str); 8] = [
    ("", "/products/search/"),
    ("", "/products/products/"),
    ("", "/products/categories/"),
    ("", "/products/suggest/"),
    ("", "/products/cr-comment/1/"),
    ("ann", "/products/comment-list/"),
    ("ann", "/orders/list/"),
    ("boss", "/auth/users/"),
];

/// Pages walked of one list: to the end of what is for sale, by twos.
const PAGES_MAX: usize = 25;

/// The longest query sent: the gate's limit is another target's.
const QUERY_MAX_BYTES: usize = 2_000;

pub fn run(bytes: &[u8]) {
    let Some((first, query)) = bytes.split_first() else {
        return;
    };
    let (who, path) = LISTS[usize::from(*first) % LISTS.len()];
    let query: String = query
        .iter()
        .take(QUERY_MAX_BYTES)
        .copied()
        .map(as_sent)
        .collect();
    let has_cursor = said(&query, "cursor").is_some();
    let mut target = format!("{path}?{query}");
    let (mut seen, mut total) = (BTreeSet::new(), None);
    for page in 0..PAGES_MAX {
        let heard = shop().ask(who, &format!("GET {target}"), "", b"");
        heard.is_well();
        if heard.status != 200 {
            assert!([400, 503].contains(&heard.status), "{}", heard.status);
            assert!(page == 0 || heard.status == 503, "{target} was given to us");
            return;
        }
        let rows = rows(&heard);
        assert!(page == 0 || !rows.is_empty(), "{target} leads nowhere");
        let limit = said(&query, "limit").and_then(|limit| limit.parse().ok());
        // Suggestions are a handful whatever is asked for.
        let is_within = rows.len() <= limit.unwrap_or(usize::MAX) || path.contains("suggest");
        assert!(is_within, "{target}");
        for row in &rows {
            let is_new = seen.insert(row["id"].to_string());
            assert!(is_new || path.contains("suggest"), "{target}: {row} again");
        }
        total = heard.header("x-total-count").map(str::to_owned).or(total);
        match next(&heard) {
            Some(next) => target = next,
            None => break,
        }
        if page + 1 == PAGES_MAX {
            return;
        }
    }
    if let (Some(total), false) = (total, has_cursor) {
        assert_eq!(total, seen.len().to_string(), "{path}?{query}");
    }
}

/// A byte as it may stand in a query.
fn as_sent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        b'-' | b'.' | b'_' | b'~' | b'&' | b'=' | b'%' | b'+' | b',' | b'*' | b';' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}

/// The rows of a bare list, or of one in an envelope.
fn rows(heard: &Heard) -> Vec<Value> {
    let body = heard.json();
    let rows = body.get("results").unwrap_or(&body);
    rows.as_array().expect("a list").clone()
}

/// What a query says of a name; of a repeated one the last counts.
fn said(query: &str, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let last = pairs.filter(|(known, _)| known == name).last();
    last.map(|(_, value)| value.into_owned())
}

/// Where the next page is.
fn next(heard: &Heard) -> Option<String> {
    let link = heard.header("link")?.strip_prefix('<')?;
    Some(link.strip_suffix(">; rel=\"next\"")?.to_owned())
}
