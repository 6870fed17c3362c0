//! What the outbox tells whoever follows it, however far behind.

use super::super::outbox::{Changes, Noted};
use super::super::tables::{OUTBOX, Read};
use super::super::tests::{NOW, rows, store};
use super::super::{Store, StoreError};
use super::{draft, shop};
use crate::shop::ids::{CategoryId, ProductId};

/// Products put and gone, and the last sequence.
type Told = (Vec<u64>, Vec<u64>, u64);

fn after(store: &Store, sequence: u64, max: usize) -> Option<Told> {
    let changes = store.changes_after(sequence, max).expect("read")?;
    let Changes { put, gone, last } = changes;
    let put = put.iter().map(|product| product.id.0).collect();
    let gone = gone.iter().map(|id| id.0).collect();
    Some((put, gone, last))
}

#[tokio::test]
async fn a_follower_is_told_each_change_after_its_own_once() {
    let store = shop().await;
    assert_eq!(store.last_change().expect("read"), 3);
    assert_eq!(after(&store, 0, 9), Some((vec![1, 2, 3], vec![], 3)));
    assert!(store.withdraw(ProductId(2)).await.expect("written"));
    assert_eq!(store.last_change().expect("read"), 4);

    // Products stand as they are now: the second is gone when its first change is told.
    let table: [(u64, usize, Told); 6] = [
        (0, 9, (vec![1, 3], vec![2], 4)),
        (0, 2, (vec![1], vec![2], 2)),
        (1, 2, (vec![3], vec![2], 3)),
        (2, 9, (vec![3], vec![2], 4)),
        (3, 9, (vec![], vec![2], 4)),
        (4, 9, (vec![], vec![], 4)),
    ];
    for (sequence, max, told) in table {
        assert_eq!(after(&store, sequence, max), Some(told), "after {sequence}");
    }
    let ahead = after(&store, 7, 9);
    assert_eq!(ahead, Some((vec![], vec![], 7)), "nothing is missed yet");
}

#[tokio::test]
async fn a_follower_too_far_behind_is_told_so() {
    let (store, _) = store();
    store.import(rows(605), NOW).await.expect("written");
    let told = |sequence| after(&store, sequence, 1).map(|(put, _, last)| (put, last));
    assert_eq!(told(0), None);
    assert_eq!(told(4), None, "the fifth is forgotten");
    assert_eq!(told(5), Some((vec![6], 6)));
    assert_eq!(store.mark_of(5).expect("read"), None);

    let forgotten = store.write(|tx| (6..=605).try_for_each(|at| tx.remove(&OUTBOX, &at)));
    forgotten.await.expect("written");
    assert_eq!(told(604), None, "all are");
    assert_eq!(told(605), Some((vec![], 605)));
}

#[tokio::test]
async fn a_change_is_told_from_another_stores_by_its_mark() {
    let store = shop().await;
    let offered = store.offer(draft("Lamp", 1), CategoryId(1), NOW).await;
    offered.expect("written").expect("there");
    let mark = |at| store.mark_of(at).expect("read");
    assert_eq!(mark(5), None, "never made");
    let row: Result<Noted, StoreError> = store.snapshot().expect("open").must_get(&OUTBOX, &4);
    assert_eq!(mark(4), Some(row.expect("read").mark));
    assert_eq!(mark(1), mark(3), "of one transaction");
    assert!(mark(4).is_some() && mark(3) != mark(4));

    let other = shop().await;
    assert_ne!(other.mark_of(1).expect("read"), mark(1));
    let identities = [&store, &other].map(|store| store.identity().expect("read"));
    assert_ne!(identities[0], identities[1]);
    assert_eq!(store.identity().expect("read"), identities[0]);
}
