//! Work that is done once however often it is asked for: its reply is kept under the caller's key
//! in the transaction of its effect.
//!
//! The work runs where it was called up to its first write. There the writer takes over: it makes
//! the write, lets the work go on to its reply, and keeps that, all in one transaction. So there
//! is never an effect without its reply, nor a reply without its effect.
//!
//! From its first write on the work runs on the writer's thread: it may await nothing but further
//! writes, and whatever else it awaits fails the request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::tables::{KEPT_BY_EXPIRY, KEPT_REPLIES, Read, Transaction};
use super::writer::{Ask, Job};
use super::{Store, StoreError};
use crate::shop::ids::UserId;
use crate::shop::time::{DAY_S, Timestamp};

/// How long a reply is kept.
pub const KEPT_S: i64 = DAY_S;

/// Replies removed in one transaction when they expired.
const SWEEP_MAX: usize = 1_000;

/// Who asks under which key for what.
#[derive(Clone, Debug)]
pub struct Once {
    pub user: UserId,
    pub key: String,
    /// Of everything that makes the request what it is.
    pub fingerprint: [u8; 32],
    /// The same as they were made under keys that were replaced since.
    pub earlier_fingerprints: Vec<[u8; 32]>,
    pub now: Timestamp,
}

impl Once {
    fn is_of(&self, kept: &Kept) -> bool {
        kept.fingerprint == self.fingerprint
            || self.earlier_fingerprints.contains(&kept.fingerprint)
    }
}

/// A reply as it went out the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A row of the kept replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub fingerprint: [u8; 32],
    pub expires_at: Timestamp,
    pub reply: KeptReply,
}

/// What became of work that is to be done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done(KeptReply),
    /// It was done before.
    Replayed(KeptReply),
    /// The key was used for another request.
    OtherRequest,
}

type Work = Pin<Box<dyn Future<Output = KeptReply> + Send>>;

/// Where the work lays what it wants written.
#[derive(Clone, Default)]
pub struct Desk(Arc<Mutex<Option<Box<dyn Ask>>>>);

impl Desk {
    pub fn lay(&self, ask: Box<dyn Ask>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ask);
    }

    fn take(&self) -> Option<Box<dyn Ask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_empty(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

impl KeptReply {
    /// Whether another try may be answered otherwise: it came too slowly or too often, or we failed.
    fn is_of_the_moment(&self) -> bool {
        [408, 429].contains(&self.status) || self.status >= 500
    }
}

impl Store {
    /// What became of this request, if it was made before.
    pub fn kept(&self, once: &Once) -> Result<Option<Outcome>, StoreError> {
        outcome(&self.snapshot()?, once)
    }

    /// Does the work, unless it was done before, and keeps its reply. The work writes through
    /// the store that it is given. A reply of the moment is not kept.
    pub async fn do_once<F>(
        &self,
        once: Once,
        work: impl FnOnce(Self) -> F,
    ) -> Result<Outcome, StoreError>
    where
        F: Future<Output = KeptReply> + Send + 'static,
    {
        let desk = Desk::default();
        let mut work: Work = Box::pin(work(Self {
            desk: Some(desk.clone()),
            ..self.clone()
        }));
        let up_to_a_write = std::future::poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(Some(reply)),
            Poll::Pending if desk.is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        });
        match up_to_a_write.await {
            Some(reply) if reply.is_of_the_moment() => Ok(Outcome::Done(reply)),
            // Nothing was written, and the same will be said again.
            Some(reply) => {
                self.write(move |tx| {
                    match outcome(tx, &once)? {
                        // What was done outranks what somebody with the same key was refused
                        // because it was being done.
                        Some(Outcome::Replayed(before))
                            if reply.status < 400 && before.status >= 400 => {}
                        Some(before) => return Ok(before),
                        None => {}
                    }
                    tx.keep(&once, &reply)?;
                    Ok(Outcome::Done(reply))
                })
                .await
            }
            None => {
                let (caller, answer) = oneshot::channel();
                self.enqueue(Job::Ask(Box::new(Keeping {
                    once,
                    desk,
                    work,
                    outcome: None,
                    caller,
                })))?;
                super::answered(answer).await
            }
        }
    }

    /// Removes replies that expired, a bounded number; says how many.
    pub async fn sweep_kept(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let first = (Timestamp(0), (UserId(0), String::new()));
            let expired: Vec<_> = tx
                .range(&KEPT_BY_EXPIRY, first..(now, (UserId(0), String::new())))?
                .take(SWEEP_MAX)
                .collect::<Result<_, _>>()?;
            for (key, ()) in &expired {
                tx.remove(&KEPT_BY_EXPIRY, key)?;
                tx.remove(&KEPT_REPLIES, &key.1)?;
            }
            Ok(expired.len())
        })
        .await
    }
}

/// Work on its way through the writer.
struct Keeping {
    once: Once,
    desk: Desk,
    work: Work,
    outcome: Option<Outcome>,
    caller: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Ask for Keeping {
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        if let Some(before) = outcome(tx, &self.once)? {
            self.outcome = Some(before);
            return Ok(());
        }
        let mut context = Context::from_waker(Waker::noop());
        let reply = loop {
            // It waits for a write, or it would have gone on by itself.
            let mut ask = self.desk.take().ok_or(StoreError::Bug)?;
            ask.run(tx)?;
            ask.answer(Ok(()));
            if let Poll::Ready(reply) = self.work.as_mut().poll(&mut context) {
                break reply;
            }
        };
        if reply.is_of_the_moment() {
            return Err(StoreError::Bug);
        }
        tx.keep(&self.once, &reply)?;
        self.outcome = Some(Outcome::Done(reply));
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let Self {
            outcome, caller, ..
        } = *self;
        let answer = fate.and_then(|()| outcome.ok_or(StoreError::Bug));
        let _ = caller.send(answer); // The caller may have hung up.
    }
}

fn outcome(view: &impl Read, once: &Once) -> Result<Option<Outcome>, StoreError> {
    let key = (once.user, once.key.clone());
    let kept: Option<Kept> = view.get(&KEPT_REPLIES, &key)?;
    Ok(kept.filter(|kept| kept.expires_at > once.now).map(|kept| {
        if once.is_of(&kept) {
            Outcome::Replayed(kept.reply)
        } else {
            Outcome::OtherRequest
        }
    }))
}

impl Transaction<'_> {
    fn keep(&mut self, once: &Once, reply: &KeptReply) -> Result<(), StoreError> {
        let key = (once.user, once.key.clone());
        let before: Option<Kept> = self.get(&KEPT_REPLIES, &key)?;
        if let Some(expired) = before {
            self.remove(&KEPT_BY_EXPIRY, &(expired.expires_at, key.clone()))?;
        }
        let kept = Kept {
            fingerprint: once.fingerprint,
            expires_at: once.now.plus_s(KEPT_S),
            reply: reply.clone(),
        };
        #[cfg(test)]
        if self.forgets_replies {
            return Ok(());
        }
        self.put(&KEPT_BY_EXPIRY, &(kept.expires_at, key.clone()), &())?;
        self.put(&KEPT_REPLIES, &key, &kept)
    }
}
