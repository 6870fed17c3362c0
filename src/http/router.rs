//! Paths and methods to rows, with and without the trailing slash.

use std::collections::BTreeMap;

use hyper::Method;

/// Rows of type `T` under path patterns such as `/orders/detail/{id}/`.
pub struct Router<T> {
    paths: matchit::Router<Vec<(Method, T)>>,
}

/// What stands behind a path.
pub enum Found<'r, T> {
    Row(&'r T, Params),
    /// The path is known, the method is not among its rows.
    WrongMethod(&'r [(Method, T)]),
    NoPath,
}

/// The named parts of a path, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<T> Router<T> {
    /// Panics on a pattern that is malformed or in conflict with another: the table is ours.
    pub fn new(rows: impl IntoIterator<Item = (Method, &'static str, T)>) -> Self {
        let mut by_path = BTreeMap::<_, Vec<_>>::new();
        for (method, path, row) in rows {
            let rows = by_path.entry(without_slash(path)).or_default();
            rows.push((method, row));
        }
        let mut paths = matchit::Router::new();
        for (path, rows) in by_path {
            paths
                .insert(path, rows)
                .expect("patterns of the route table are well-formed and distinct");
        }
        Self { paths }
    }

    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let Ok(found) = self.paths.at(without_slash(path)) else {
            return Found::NoPath;
        };
        // HEAD is GET without the body, which the server leaves out.
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let rows: &[(Method, T)] = found.value;
        let Some((_, row)) = rows.iter().find(|(known, _)| known == method) else {
            return Found::WrongMethod(rows);
        };
        let params = found.params.iter();
        Found::Row(
            row,
            Params(
                params
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            ),
        )
    }
}

fn without_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(rest) => rest,
    }
}
