//! The search held against a plain scan, and the index that follows against one built from nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::hard::TEXTS as HARD;
use super::{FOLDER, Search, words};
use crate::shop::ids::ProductId;
use crate::shop::money::Money;
use crate::shop::products::{CategoryName, Draft, Edit, Filter, Ordering, Price};
use crate::shop::time::Timestamp;
use crate::store::{Durability, Folder, ImportRow, PageAsk, Store};

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

pub struct Shop {
    pub search: Search,
    pub store: Store,
    texts: Vec<(String, String)>,
    pub folder: Folder,
    pub dir: tempfile::TempDir,
}

fn row(title: &str, description: &str) -> ImportRow {
    let draft = Draft {
        title: title.to_owned(),
        description: description.to_owned(),
        price: Price::new(Money::from_cents(1_000)).expect("above zero"),
        quantity: 1,
    };
    ImportRow::Offer(draft, CategoryName::parse("Things").expect("short"))
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

fn write(store: &Store, rows: Vec<ImportRow>) {
    run(store.import(rows, NOW)).expect("written");
}

pub fn open_search(dir: &Path, store: &Store) -> Search {
    let search = Search::open(dir, store.clone()).expect("opened");
    let until = Instant::now() + Duration::from_mins(1);
    while !search.is_ready() {
        assert!(Instant::now() < until, "the index is not ready");
        std::thread::sleep(Duration::from_millis(1));
    }
    search
}

pub fn shop(texts: Vec<(String, String)>) -> Shop {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Folder::hold(dir.path()).expect("held");
    let store = Store::open(&folder, 16 << 20, 0, Durability::Log).expect("open");
    write(
        &store,
        texts
            .iter()
            .map(|(title, description)| row(title, description))
            .collect(),
    );
    let search = open_search(dir.path(), &store);
    Shop {
        search,
        store,
        texts,
        folder,
        dir,
    }
}

/// The project's catalogue, or the real one where it is at hand, and the hard texts.
pub fn catalogue(most: usize) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = fs::read_to_string(root.join("data/catalogue.jsonl")).expect("there");
    let contoso = fs::read_to_string(root.join("../shared/data/retail_demo_store.jsonl"));
    let text = [ours, contoso.unwrap_or_default()].concat();
    let rows = text.lines().take(most).map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| row[key].as_str().unwrap_or_default().trim().to_owned();
        (text("title"), text("description"))
    });
    let hard = HARD.map(|(title, description)| (title.to_owned(), description.to_owned()));
    rows.chain(hard).collect()
}

fn filter(text: &str) -> Filter {
    Filter {
        text: text.to_owned(),
        ..Filter::default()
    }
}

const ALL: PageAsk = PageAsk {
    after: None,
    limit: 100_000,
};

impl Shop {
    fn find(&self, text: &str) -> Vec<u64> {
        let found = self
            .search
            .find(&filter(text), None, ALL, false)
            .expect("found");
        assert_eq!(found.total, found.page.len() as u64);
        found.page.iter().map(|place| place.id).collect()
    }

    /// The titles found, best first.
    pub fn titles(&self, text: &str) -> Vec<&str> {
        let found = self.find(text);
        let title = |id: u64| {
            self.texts[usize::try_from(id - 1).expect("small")]
                .0
                .as_str()
        };
        found.into_iter().map(title).collect()
    }
}

pub fn small(rows: &[(&str, &str)]) -> Shop {
    let owned =
        |(title, description): &(&str, &str)| ((*title).to_owned(), (*description).to_owned());
    shop(rows.iter().map(owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, ..ProptestConfig::default() })]

    /// Thousands of needles a case: pieces of the texts, in any case, of 1 to 60 characters.
    #[test]
    fn whatever_a_substring_scan_finds_is_found(
        needles in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..60, 0_u8..3, any::<bool>()), 4_000),
    ) {
        let shop = shop(catalogue(1_500));
        let lower: Vec<[String; 2]> = shop.texts.iter()
            .map(|(title, description)| [title.to_lowercase(), description.to_lowercase()])
            .collect();
        let mut asked = 0;
        for (product, start, length, case, in_title) in needles {
            let (title, description) = &shop.texts[product.index(shop.texts.len())];
            let text: Vec<char> = if in_title { title } else { description }.chars().collect();
            if text.is_empty() {
                continue;
            }
            let start = start.index(text.len());
            let piece: String = text[start..].iter().take(length).collect();
            let piece = match case {
                0 => piece,
                1 => piece.to_uppercase(),
                _ => piece.to_lowercase(),
            };
            if !Search::has_words(&piece) {
                continue; // A scan answers these.
            }
            asked += 1;
            let needle = piece.to_lowercase();
            let found: BTreeSet<u64> = shop.find(&piece).into_iter().collect();
            for ((id, texts), whole) in (1..).zip(&lower).zip(&shop.texts) {
                if texts.iter().any(|text| text.contains(&needle)) {
                    prop_assert!(found.contains(&id), "{piece:?} misses {:?}", whole);
                }
            }
        }
        prop_assert!(asked > 3_000, "{asked}");
        shop.search.close();
    }
}

#[test]
fn folding_a_piece_gives_a_piece_of_the_fold() {
    // A word of two letters that fold to three is found by either.
    let shop = small(&[
        ("Straße", ""),
        ("Smørrebrød", ""),
        ("ÉCRAN", ""),
        ("naïve", ""),
    ]);
    for (query, title) in [
        ("strasse", "Straße"),
        ("STRASSE", "Straße"),
        ("smorrebrod", "Smørrebrød"),
        ("écran", "ÉCRAN"),
        ("ecran", "ÉCRAN"),
        ("e\u{301}cran", "ÉCRAN"),
        ("naive", "naïve"),
    ] {
        assert_eq!(shop.titles(query), [title], "{query}");
    }
}

#[test]
fn words_are_found_in_any_order_and_all_of_them() {
    let shop = small(&[
        ("Apple MacBook Air", "thin"),
        ("MacBook sleeve", "for Air"),
        ("Air purifier", "quiet"),
    ]);
    assert_eq!(
        shop.titles("air macbook"),
        ["Apple MacBook Air", "MacBook sleeve"]
    );
    assert_eq!(shop.titles("macbook air purifier"), Vec::<&str>::new());
}

#[test]
fn exact_stands_above_prefix_above_substring_above_typo_and_title_above_description() {
    let shop = small(&[
        ("Mosue pad", ""),
        ("Dormouse", ""),
        ("Mousetrap", ""),
        ("Mouse", ""),
        ("Rodent", "a mouse"),
        ("Rodents", "mousetraps"),
        ("Something", "dormouse"),
    ]);
    assert_eq!(
        shop.titles("mouse"),
        [
            "Mouse",
            "Mousetrap",
            "Rodent",
            "Dormouse",
            "Rodents",
            "Mosue pad",
            "Something"
        ]
    );
}

#[test]
fn equals_stand_by_id() {
    let shop = small(&[("Red lamp", "x"), ("Red lamp", "x"), ("Red lamp", "x")]);
    assert_eq!(shop.find("lamp"), [1, 2, 3]);
}

#[test]
fn one_typo_is_forgiven_in_four_letters_and_two_in_eight() {
    let shop = small(&[("Keyboard", ""), ("Lamp", ""), ("TN-2110", ""), ("Cat", "")]);
    for query in [
        "keybaord",
        "keybord",
        "kebyord",
        "keyyboard",
        "keyboxrx",
        "kezboarf",
    ] {
        assert_eq!(shop.titles(query), ["Keyboard"], "{query}");
    }
    assert_eq!(shop.titles("lanp"), ["Lamp"]);
    assert_eq!(shop.titles("lxnp"), Vec::<&str>::new());
    assert_eq!(
        shop.titles("tn-2120"),
        Vec::<&str>::new(),
        "digits are not guessed"
    );
    assert_eq!(
        shop.titles("cbt"),
        Vec::<&str>::new(),
        "three letters are not guessed"
    );
}

#[test]
fn models_and_numbers_are_found_however_they_are_written() {
    let shop = small(&[
        ("Elgato mk2", ""),
        ("Elgato MK 2", ""),
        ("Elgato Mk-2", ""),
        ("USB-C cable", ""),
        ("USB C hub", ""),
        ("WiFi router", ""),
        ("Wi-Fi stick", ""),
        ("Monitor 27\"", ""),
        ("Smart watch", ""),
        ("Head set", ""),
        ("Headset", ""),
        ("Laptops", ""),
        ("Battery", ""),
    ]);
    let set = |query: &str| shop.titles(query).into_iter().collect::<BTreeSet<_>>();
    let all = |titles: &[&'static str]| titles.iter().copied().collect::<BTreeSet<_>>();
    let elgato = all(&["Elgato mk2", "Elgato MK 2", "Elgato Mk-2"]);
    for query in ["mk2", "mk 2", "mk-2", "MK2"] {
        assert_eq!(set(query), elgato, "{query}");
    }
    for query in ["usb-c", "usb c", "USB C"] {
        assert_eq!(set(query), all(&["USB-C cable", "USB C hub"]), "{query}");
    }
    for query in ["wifi", "wi-fi", "Wi Fi"] {
        assert_eq!(set(query), all(&["WiFi router", "Wi-Fi stick"]), "{query}");
    }
    for query in ["27\"", "27", "monitor 27"] {
        assert_eq!(set(query), all(&["Monitor 27\""]), "{query}");
    }
    assert_eq!(set("smartwatch"), all(&["Smart watch"]));
    assert_eq!(set("head set"), all(&["Head set", "Headset"]));
    assert_eq!(set("laptop"), all(&["Laptops"]));
    assert_eq!(set("batteries"), all(&["Battery"]));
    assert_eq!(set("notebook"), all(&["Laptops"]), "a synonym");
}

#[test]
fn a_write_is_found_by_the_search_after_it_and_a_delete_gone() {
    let shop = small(&[("First", ""), ("Second", "")]);
    for n in 0..300_u64 {
        write(&shop.store, vec![row(&format!("fresh{n}x"), "")]);
        assert_eq!(shop.find(&format!("fresh{n}x")), [n + 3]);
        let edit = Edit {
            title: Some(format!("stale{n}x")),
            ..Edit::default()
        };
        run(shop.store.edit_product(ProductId(n + 3), edit)).expect("written");
        assert!(shop.find(&format!("fresh{n}x")).is_empty());
        assert_eq!(shop.find(&format!("stale{n}x")), [n + 3]);
        if n % 3 == 0 {
            assert!(run(shop.store.withdraw(ProductId(n + 3))).expect("written"));
            assert!(shop.find(&format!("stale{n}x")).is_empty());
        }
    }
    assert_eq!(shop.find("first"), [1]);
}

/// Every product with its score's place, for a few queries.
pub fn answers(search: &Search) -> Vec<Vec<u64>> {
    let queries = [
        "smartwatch",
        "phone",
        "black wireless",
        "usb-c",
        "lap",
        "keybaord",
        "fresh",
        "e",
        "new words",
    ];
    let ids = |query: &&str| {
        let found = search
            .find(&filter(query), Some(Ordering::Id), ALL, false)
            .expect("found");
        found.page.iter().map(|place| place.id).collect()
    };
    queries.iter().map(ids).collect()
}

#[test]
fn an_index_that_followed_answers_as_one_built_from_nothing() {
    let shop = shop(catalogue(400));
    for n in 0..120_u64 {
        write(
            &shop.store,
            vec![row(&format!("Fresh phone {n}"), "new words in it")],
        );
        let id = ProductId(1 + n * 3);
        let title = Some(format!("Renamed {n}"));
        run(shop.store.edit_product(
            id,
            Edit {
                title,
                ..Edit::default()
            },
        ))
        .expect("written");
        run(shop.store.withdraw(ProductId(2 + n * 3))).expect("written");
        // Some of it while the index commits.
        if n % 40 == 39 {
            std::thread::sleep(Duration::from_millis(1_100));
        }
    }
    let followed = answers(&shop.search);
    shop.search.close();

    let reopened = open_search(shop.dir.path(), &shop.store);
    assert_eq!(answers(&reopened), followed, "read back from the disk");
    reopened.close();

    fs::remove_dir_all(shop.dir.path().join(FOLDER)).expect("removed");
    let rebuilt = open_search(shop.dir.path(), &shop.store);
    assert_eq!(answers(&rebuilt), followed, "built from nothing");
    rebuilt.close();
}

#[test]
fn what_the_store_changed_while_the_index_was_closed_is_caught_up() {
    let shop = small(&[("First", ""), ("Second", "")]);
    shop.search.close();
    write(&shop.store, vec![row("Third", "")]);
    run(shop.store.withdraw(ProductId(1))).expect("written");
    let search = open_search(shop.dir.path(), &shop.store);
    let find = |text: &str| {
        search
            .find(&filter(text), None, ALL, false)
            .expect("found")
            .total
    };
    assert_eq!((find("first"), find("second"), find("third")), (0, 1, 1));
    search.close();
}

#[test]
fn an_index_that_the_outbox_has_forgotten_is_built_anew() {
    let shop = small(&[("First", ""), ("Second", "")]);
    shop.search.close();
    write(
        &shop.store,
        (0..700).map(|n| row(&format!("Later {n}"), "")).collect(),
    );
    let search = open_search(shop.dir.path(), &shop.store);
    let find = |text: &str| {
        search
            .find(&filter(text), None, ALL, false)
            .expect("found")
            .total
    };
    assert_eq!((find("first"), find("later")), (1, 700));
    search.close();
}

#[test]
fn an_index_of_a_day_that_the_store_was_put_back_before_is_built_anew() {
    let shop = small(&[("First", "")]);
    shop.search.close();
    run(shop.store.close()).expect("closed");
    let file = shop.dir.path().join("shop.redb");
    let backup = fs::read(&file).expect("read");
    let reopen = || Store::open(&shop.folder, 16 << 20, 0, Durability::Log).expect("open");

    let store = reopen();
    let search = open_search(shop.dir.path(), &store);
    write(
        &store,
        (0..10).map(|n| row(&format!("Lost {n}"), "")).collect(),
    );
    search.close();
    run(store.close()).expect("closed");

    // Put back, and gone on from there by as many changes.
    fs::write(&file, backup).expect("written");
    let store = reopen();
    write(
        &store,
        (0..12).map(|n| row(&format!("Other {n}"), "")).collect(),
    );
    let search = open_search(shop.dir.path(), &store);
    let find = |text: &str| {
        search
            .find(&filter(text), None, ALL, false)
            .expect("found")
            .total
    };
    assert_eq!((find("first"), find("lost"), find("other")), (1, 0, 12));
    search.close();
}

#[test]
fn a_walk_by_relevance_meets_each_product_once_whatever_is_written_meanwhile() {
    let rows: Vec<_> = (0..50)
        .map(|n| (format!("Part {n}"), String::new()))
        .collect();
    let shop = shop(rows);
    let mut met = Vec::new();
    let mut after = None;
    loop {
        let ask = PageAsk { after, limit: 7 };
        let found = shop
            .search
            .find(&filter("part"), None, ask, false)
            .expect("found");
        met.extend(
            found
                .page
                .iter()
                .map(|place| place.id)
                .filter(|id| *id <= 50),
        );
        write(
            &shop.store,
            vec![row("Something else with a part in it", "and more words")],
        );
        if !found.has_more {
            break;
        }
        after = found.page.last().copied();
        assert!(met.len() <= 50, "{met:?}");
    }
    met.sort_unstable();
    assert_eq!(met, (1..=50).collect::<Vec<_>>());
    shop.search.close();
}

#[test]
fn a_text_without_spaces_is_searched_to_its_end() {
    let text: String = (0..9_000_u32)
        .map(|n| char::from_u32(0xac00 + n % 11_000).expect("Hangul"))
        .collect();
    let shop = small(&[("Korean", &text), ("Other", "")]);
    for at in [0, 1_000, 4_444, 8_990] {
        let piece: String = text.chars().skip(at).take(8).collect();
        assert_eq!(shop.titles(&piece), ["Korean"], "{at}");
    }
    shop.search.close();
}

#[test]
fn phrases_mean_what_their_synonyms_mean() {
    let shop = small(&[
        ("Seagate hard drive", ""),
        ("WD hdd", ""),
        ("Wi Fi antenna", ""),
        ("WiFi card", ""),
    ]);
    let both: BTreeSet<_> = ["Seagate hard drive", "WD hdd"].into_iter().collect();
    for query in ["hdd", "hard drive", "harddrive"] {
        let found: BTreeSet<_> = shop.titles(query).into_iter().collect();
        assert_eq!(found, both, "{query}");
    }
    let wifi: BTreeSet<_> = ["Wi Fi antenna", "WiFi card"].into_iter().collect();
    for query in ["wifi", "wi fi", "wi-fi"] {
        let found: BTreeSet<_> = shop.titles(query).into_iter().collect();
        assert_eq!(found, wifi, "{query}");
    }
    shop.search.close();
}

#[test]
fn when_nothing_is_found_something_near_is_suggested() {
    let shop = small(&[
        ("Wireless keyboard", ""),
        ("Gaming laptop", ""),
        ("Laptop bag", ""),
    ]);
    let instead = |text: &str| shop.search.instead_of(&filter(text)).expect("found");
    assert_eq!(
        instead("kxybxarx").as_deref(),
        Some("keyboard"),
        "three typos"
    );
    assert_eq!(instead("laptop zeppelin").as_deref(), Some("laptop"));
    assert_eq!(instead("keyboard bag").as_deref(), Some("bag"));
    assert_eq!(instead("zeppelin"), None);
}

#[test]
fn distances_are_those_of_a_known_implementation() {
    // Pairs worked out by hand: insertion, deletion, substitution, swap, and two of them.
    let within = |a: &str, b: &str, max| {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        words::is_within(&a, &b, max) && words::is_within(&b, &a, max)
    };
    for (a, b, distance) in [
        ("abc", "abc", 0),
        ("abc", "abd", 1),
        ("abc", "ab", 1),
        ("abc", "bac", 1),
        ("abc", "acb", 1),
        ("abcd", "badc", 2),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
        ("", "ab", 2),
        ("keyboard", "keybaord", 1),
        ("écran", "ecran", 1),
        ("saturday", "sunday", 3),
    ] {
        assert!(within(a, b, distance), "{a} {b}");
        assert!(distance == 0 || !within(a, b, distance - 1), "{a} {b}");
    }
}

#[test]
fn words_are_cut_as_the_rules_say() {
    let text = |text: &str| {
        let mut words = Vec::new();
        words::of_text(text, |word| words.push(word.to_owned()));
        words.sort();
        words
    };
    assert_eq!(text("USB-C cable"), ["c", "cable", "usb", "usbc"]);
    assert_eq!(text("O'Reilly"), ["o", "oreilly", "reilly"]);
    assert_eq!(text("10-20 pcs"), ["10", "20", "pcs"]);
    assert_eq!(text("rock-'n'-roll"), ["n", "rock", "roll"]);
    assert_eq!(text("27\" 1.5\u{a0}m ½"), ["1", "1", "2", "27", "5", "m"]);
    assert_eq!(words::of_query("USB-C usb c"), ["usb", "c"]);
    assert_eq!(words::of_query("--\"!"), Vec::<String>::new());
    assert_eq!(words::name_and_number("mk2"), Some(("mk", "2")));
    assert_eq!(words::name_and_number("500gb"), Some(("500", "gb")));
    assert_eq!(words::name_and_number("a1b2"), None);
    assert_eq!(words::name_and_number("cable"), None);
    let halves: Vec<_> = words::halves("smartie").collect();
    assert_eq!(
        halves,
        [
            ("sm", "artie"),
            ("sma", "rtie"),
            ("smar", "tie"),
            ("smart", "ie")
        ]
    );
}
