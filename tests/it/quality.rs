//! How well products are found: a small form of `cargo bench --bench search`.

#[path = "../../benches/graded.rs"]
mod graded;

use electron_market::search::Search;
use electron_market::shop::products::Filter;
use electron_market::store::PageAsk;
use graded::{Row, Typed};

fn with_search(rows: &[Row], test: impl FnOnce(&Search)) {
    let folder = tempfile::tempdir().unwrap();
    let (_held, store) = graded::shop(folder.path(), rows);
    let search = Search::open(folder.path(), store).unwrap();
    while !search.is_ready() {
        std::thread::yield_now();
    }
    test(&search);
    search.close();
}

/// The first ten, by their places in the rows.
fn find(search: &Search, text: &str) -> Vec<usize> {
    let filter = Filter {
        text: text.to_owned(),
        ..Filter::default()
    };
    let ask = PageAsk {
        after: None,
        limit: 10,
    };
    let found = search.find(&filter, None, ask, false).unwrap();
    found
        .page
        .iter()
        .map(|place| usize::try_from(place.id).unwrap() - 1)
        .collect()
}

/// What the prototype reached and what `cargo bench --bench search` prints, with a little room.
const LEAST: [(Typed, f64); 4] = [
    (Typed::Whole, 0.76),
    (Typed::Cut, 0.69),
    (Typed::OneTypo, 0.68),
    (Typed::TwoTypos, 0.72),
];

/// Only where the grades are at hand; without them the test below stands alone.
#[test]
fn graded_queries_are_answered_well_however_they_are_typed() {
    let judgments = graded::judgments();
    if judgments.is_empty() {
        return;
    }
    let rows = graded::catalogue();
    with_search(&rows, |search| {
        for (typed, least) in LEAST {
            let (mut sum, mut queries) = (0.0, 0.0);
            for (query, grades) in &judgments {
                let Some(query) = graded::typed(query, typed) else {
                    continue;
                };
                let ids = find(search, &query)
                    .into_iter()
                    .filter_map(|at| rows[at].id);
                let ids: Vec<u64> = ids.collect();
                assert!(!ids.is_empty(), "{query:?} finds nothing");
                sum += graded::ndcg_at_10(&ids, grades);
                queries += 1.0;
            }
            let ndcg = sum / queries;
            assert!(
                ndcg >= least,
                "{typed:?}: {ndcg:.3} of {queries} queries, {least} at least"
            );
        }
    });
}

#[test]
fn a_product_is_found_by_what_it_is_called_however_that_is_typed() {
    let rows: Vec<Row> = graded::catalogue().into_iter().take(400).collect();
    let plain = |word: &&str| word.chars().all(char::is_alphabetic) && word.chars().count() > 2;
    with_search(&rows, |search| {
        let (mut asked, mut met) = (0, 0);
        for (at, row) in rows.iter().enumerate() {
            let words: Vec<&str> = row.title.split(' ').filter(plain).take(3).collect();
            let title = words.join(" ");
            // Others of the same name may fill the page.
            let alike = rows
                .iter()
                .filter(|other| words.iter().all(|word| other.title.contains(word)));
            if words.len() < 2 || alike.count() > 5 {
                continue;
            }
            for typed in [Typed::Whole, Typed::Cut, Typed::OneTypo] {
                let Some(query) = graded::typed(&title, typed) else {
                    continue;
                };
                asked += 1;
                met += usize::from(find(search, &query).contains(&at));
            }
        }
        assert!(asked > 100, "{asked}");
        assert!(met * 100 >= asked * 97, "{met} of {asked}");
    });
}
