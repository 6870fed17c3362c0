//! What becomes of a request that is made again under its key.

use super::super::once::{KEPT_S, KeptReply, Once, Outcome};
use super::super::tables::{KEPT_BY_EXPIRY, KEPT_REPLIES, Read};
use super::super::tests::NOW;
use super::super::{Store, StoreError};
use super::{ANN, BOB, must_be_sound, shop};
use crate::shop::ids::{ProductId, UserId};
use crate::shop::time::Timestamp;

fn once(user: UserId, fingerprint: u8, now: Timestamp) -> Once {
    Once {
        user,
        key: "k".into(),
        fingerprint: [fingerprint; 32],
        earlier_fingerprints: Vec::new(),
        now,
    }
}

fn reply(status: u16) -> KeptReply {
    KeptReply {
        status,
        headers: vec![("location".into(), "/".into())],
        body: b"{}".to_vec(),
    }
}

/// Says something about a product twice, and replies.
async fn comment(store: &Store, once: Once, status: u16) -> Result<Outcome, StoreError> {
    let user = once.user;
    let work = async move |store: Store| {
        // It may wait for others up to its first write.
        tokio::task::yield_now().await;
        for _ in 0..2 {
            let said = store.comment_on(ProductId(1), user, "Fine".into(), NOW);
            said.await.expect("laid on the desk").expect("there");
        }
        reply(status)
    };
    store.do_once(once, work).await
}

fn comments(store: &Store) -> u64 {
    let all = store.all_comments(super::ALL).expect("read");
    assert_eq!(all.rows.len() as u64, all.total);
    all.total
}

#[tokio::test]
async fn work_is_done_once_for_each_user_and_key() {
    let store = shop().await;
    let ask = async |once| comment(&store, once, 201).await.expect("written");
    assert_eq!(ask(once(ANN, 1, NOW)).await, Outcome::Done(reply(201)));
    assert_eq!(comments(&store), 2);
    assert_eq!(ask(once(ANN, 1, NOW)).await, Outcome::Replayed(reply(201)));
    assert_eq!(ask(once(ANN, 2, NOW)).await, Outcome::OtherRequest);
    assert_eq!(comments(&store), 2);
    assert_eq!(ask(once(BOB, 2, NOW)).await, Outcome::Done(reply(201)));
    assert_eq!(comments(&store), 4);

    let replaced = Once {
        earlier_fingerprints: vec![[3; 32], [1; 32]],
        ..once(ANN, 2, NOW)
    };
    let kept = store.kept(&replaced).expect("read");
    assert_eq!(kept, Some(Outcome::Replayed(reply(201))));
    must_be_sound(&store);
}

#[tokio::test]
async fn what_failed_is_not_kept_and_leaves_nothing() {
    let store = shop().await;
    let asked = once(ANN, 1, NOW);
    let failed = comment(&store, asked.clone(), 500).await;
    assert!(matches!(failed, Err(StoreError::Bug)), "{failed:?}");
    assert_eq!(comments(&store), 0, "not even its first write");
    let failed = store.do_once(asked.clone(), |_| async { reply(503) }).await;
    assert_eq!(failed.expect("asked"), Outcome::Done(reply(503)));
    assert_eq!(store.kept(&asked).expect("read"), None);
    let done = comment(&store, asked, 201).await.expect("written");
    assert_eq!(done, Outcome::Done(reply(201)));
    must_be_sound(&store);
}

#[tokio::test]
async fn a_reply_is_kept_for_a_day_and_then_swept() {
    let store = shop().await;
    for user in [ANN, BOB] {
        let done = comment(&store, once(user, 1, NOW), 201).await;
        done.expect("written");
    }
    let kept = |micros| {
        let end = NOW.plus_s(KEPT_S).0;
        store.kept(&once(ANN, 1, Timestamp(end + micros)))
    };
    assert_eq!(kept(-1).expect("read"), Some(Outcome::Replayed(reply(201))));
    assert_eq!(kept(0).expect("read"), None);

    // Another request may have the key from then on; its reply has a day of its own.
    let next_day = NOW.plus_s(KEPT_S);
    let done = comment(&store, once(ANN, 2, next_day), 200).await;
    assert_eq!(done.expect("written"), Outcome::Done(reply(200)));
    must_be_sound(&store);

    let sweep = async |seconds| {
        let swept = store.sweep_kept(next_day.plus_s(seconds)).await;
        swept.expect("written")
    };
    let left = || {
        let view = store.snapshot().expect("open");
        let replies = view.range(&KEPT_REPLIES, ..).expect("a range").count();
        let by_expiry = view.range(&KEPT_BY_EXPIRY, ..).expect("a range").count();
        [replies, by_expiry]
    };
    assert_eq!((sweep(-1).await, left()), (0, [2, 2]));
    assert_eq!((sweep(1).await, left()), (1, [1, 1]));
    let other_key = Once {
        key: "other".into(),
        ..once(BOB, 1, next_day)
    };
    comment(&store, other_key, 201).await.expect("written");
    assert_eq!((sweep(KEPT_S + 1).await, left()), (2, [0, 0]));
    must_be_sound(&store);
}

#[tokio::test]
async fn the_largest_reply_is_kept_and_sound() {
    let store = shop().await;
    // A cart of 500 lines, each with 20,000 characters that take six bytes.
    let large = || KeptReply {
        body: vec![b'x'; 61_000_000],
        ..reply(200)
    };
    let work = async move |store: Store| {
        let said = store.comment_on(ProductId(1), ANN, "Fine".into(), NOW);
        said.await.expect("laid on the desk").expect("there");
        large()
    };
    let outcome = store.do_once(once(ANN, 1, NOW), work).await;
    assert!(outcome.expect("written") == Outcome::Done(large()));
    let again = store.kept(&once(ANN, 1, NOW)).expect("read");
    assert!(again == Some(Outcome::Replayed(large())));
    must_be_sound(&store);
}

#[tokio::test]
async fn what_may_be_answered_otherwise_soon_is_not_kept() {
    let store = shop().await;
    for status in [408, 429, 500, 503] {
        let outcome = store.do_once(once(ANN, 1, NOW), async move |_| reply(status));
        assert_eq!(outcome.await.expect("done"), Outcome::Done(reply(status)));
        assert_eq!(store.kept(&once(ANN, 1, NOW)).expect("read"), None);
    }
}
