//! Replies that are ready: what everybody may see, kept until there is anything newer to be read.
//!
//! A reply is kept with the state of the store that it was made in, and sent again only in that
//! state. Every batch makes another one before anybody is answered, so nothing is sent that is older than
//! an answer, and nobody has to know which write changes which page.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::http::{Reply, Request, StatusCode};
use crate::store::State;

/// What is kept in all: the pages of a shop that most people look at.
const KEPT_MAX_BYTES: usize = 8 << 20;
/// A larger reply costs more to send than to make.
const REPLY_MAX_BYTES: usize = 64 << 10;
/// What a reply takes beside its body: headers, and its place in the map.
const OVERHEAD_BYTES: usize = 1 << 10;

/// What may be kept, by what was asked.
#[derive(Default)]
pub struct Ready(RwLock<Kept>);

#[derive(Default)]
struct Kept {
    /// All replies are of this one.
    state: State,
    replies: HashMap<String, Reply>,
    bytes: usize,
}

/// What was asked, and of which state.
pub struct Question {
    state: State,
    asked: String,
}

impl Question {
    pub fn of(state: State, request: &Request) -> Self {
        let asked = [request.path.as_str(), &request.query].join("?");
        Self { state, asked }
    }
}

impl Ready {
    pub fn get(&self, question: &Question) -> Option<Reply> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_of_now = kept.state == question.state;
        is_of_now.then(|| kept.replies.get(&question.asked).cloned())?
    }

    pub fn keep(&self, question: Question, reply: &Reply) {
        if reply.status != StatusCode::OK || reply.body.len() > REPLY_MAX_BYTES {
            return;
        }
        let bytes = reply.body.len() + question.asked.len() + OVERHEAD_BYTES;
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What was asked of an earlier state takes no place from what is of a later one.
        if kept.state > question.state {
            return;
        }
        if kept.state < question.state || kept.bytes + bytes > KEPT_MAX_BYTES {
            *kept = Kept {
                state: question.state,
                ..Kept::default()
            };
        }
        kept.bytes += bytes;
        kept.replies.insert(question.asked, reply.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(state: u64, asked: &str) -> Question {
        let (state, asked) = (State(state), asked.to_owned());
        Question { state, asked }
    }

    fn reply(length: usize) -> Reply {
        Reply::new(StatusCode::OK, "text/plain", vec![b'x'; length])
    }

    #[test]
    fn a_reply_is_sent_again_in_its_own_state_alone() {
        let ready = Ready::default();
        ready.keep(question(5, "/a?"), &reply(1));
        assert!(ready.get(&question(5, "/a?")).is_some());
        assert!(ready.get(&question(5, "/a?b")).is_none());
        for other in [4, 6] {
            assert!(ready.get(&question(other, "/a?")).is_none());
        }
        // One that was long under way is not taken for one of now.
        ready.keep(question(4, "/b?"), &reply(1));
        assert!(ready.get(&question(4, "/b?")).is_none());
        ready.keep(question(6, "/c?"), &reply(1));
        assert!(ready.get(&question(6, "/a?")).is_none());
        assert!(ready.get(&question(6, "/c?")).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded_and_no_error() {
        let ready = Ready::default();
        ready.keep(question(1, "/large"), &reply(REPLY_MAX_BYTES + 1));
        ready.keep(question(1, "/none"), &Reply::empty(StatusCode::NOT_FOUND));
        for asked in ["/large", "/none"] {
            assert!(ready.get(&question(1, asked)).is_none(), "{asked}");
        }
        for n in 0..1_000 {
            ready.keep(question(1, &n.to_string()), &reply(REPLY_MAX_BYTES));
            let kept = ready.0.read().expect("not poisoned");
            assert!(kept.bytes <= KEPT_MAX_BYTES && !kept.replies.is_empty());
        }
    }

    #[test]
    fn what_is_kept_is_for_everybody() {
        for row in crate::api::routes().iter().filter(|row| row.is_shared) {
            assert_eq!(row.method, crate::http::Method::GET, "{}", row.path);
            assert!(
                row.access == crate::api::route::Access::Anyone,
                "{}",
                row.path
            );
        }
    }
}
