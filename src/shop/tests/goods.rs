//! What the shop offers: products, their categories, and how they are looked for.

use super::{NOW, product};
use crate::shop::comments;
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::money::Money;
use crate::shop::orders::Stock;
use crate::shop::photos::{Format, Photo};
use crate::shop::products::{
    self, Category, CategoryName, CategoryRefusal, Draft, Edit, Filter, Ordering, PRICE_MAX, Price,
    PriceError, Product,
};
use crate::shop::text::TextError;

/// Text, category and the least and most cents asked for, and whether that shows the lamp.
type Asked = (&'static str, Option<u64>, Option<i128>, Option<i128>, bool);

/// What may be asked where there is a lamp of 10.00 in category 1.
const ASKED: [Asked; 18] = [
    ("", None, None, None, true),
    ("", Some(1), None, None, true),
    ("", Some(2), None, None, false),
    ("", None, Some(999), None, true),
    ("", None, Some(1_000), None, true),
    ("", None, Some(1_001), None, false),
    ("", None, None, Some(1_001), true),
    ("", None, None, Some(1_000), true),
    ("", None, None, Some(999), false),
    ("", None, Some(1_000), Some(1_000), true),
    ("", Some(2), Some(999), Some(1_001), false),
    ("", Some(1), Some(1_001), None, false),
    ("DESK", None, None, None, true),
    ("warm LIGHT", None, None, None, true),
    ("sofa", None, None, None, false),
    ("lamp", Some(1), Some(1_000), Some(1_000), true),
    ("lamp", Some(2), None, None, false),
    ("sofa", Some(1), None, None, false),
];

#[test]
fn a_search_shows_what_is_right_in_all_it_asks_for() {
    let lamp = Product {
        title: "Desk lamp".into(),
        description: "Warm light, cold metal".into(),
        ..product(1, 1_000)
    };
    for (text, category, min_price, max_price, is_shown) in ASKED {
        let filter = Filter {
            text: text.into(),
            category: category.map(CategoryId),
            min_price: min_price.map(Money::from_cents),
            max_price: max_price.map(Money::from_cents),
        };
        assert_eq!(filter.admits(&lamp), is_shown, "{filter:?}");
    }
    let sofa = Filter {
        text: "sofa".into(),
        category: Some(lamp.category),
        ..Filter::default()
    };
    assert!(sofa.admits_kind(lamp.category, lamp.price.money()));
}

#[test]
fn a_list_stands_in_the_order_that_was_asked_for() {
    let shelf =
        [(1, 300, 20), (2, 100, 30), (3, 200, 10), (4, 200, 10)].map(|(id, cents, at_s)| Product {
            created_at: NOW.plus_s(at_s),
            ..product(id, cents)
        });
    for (ordering, expected) in [
        (Ordering::Id, [1, 2, 3, 4]),
        (Ordering::Price, [2, 3, 4, 1]),
        (Ordering::PriceDescending, [1, 3, 4, 2]),
        (Ordering::CreatedAt, [3, 4, 1, 2]),
        (Ordering::CreatedAtDescending, [2, 1, 3, 4]),
    ] {
        let mut list: Vec<&Product> = shelf.iter().collect();
        list.sort_by_key(|p| (ordering.rank(p.price.money(), p.created_at), p.id));
        let ids: Vec<u64> = list.iter().map(|p| p.id.0).collect();
        assert_eq!(ids, expected, "{ordering:?}");
    }
}

#[test]
fn a_category_may_have_a_name_that_is_free_or_its_own() {
    let id = CategoryId(3);
    let name = CategoryName::parse("Lamps").unwrap();
    let named = Category {
        id,
        name: name.clone(),
    };
    for (holder, expected) in [
        (None, Ok(named.clone())),
        (Some(id), Ok(named.clone())),
        (Some(CategoryId(4)), Err(CategoryRefusal::NameTaken)),
    ] {
        let answer = products::name_category(id, name.clone(), holder);
        assert_eq!(answer, expected, "{holder:?}");
    }
}

#[test]
fn a_category_is_taken_away_when_nothing_is_in_it() {
    let name = CategoryName::parse("Lamps").unwrap();
    let lamps = || {
        Some(Category {
            id: CategoryId(3),
            name: name.clone(),
        })
    };
    for (category, products, expected) in [
        (None, 0, Err(CategoryRefusal::NotFound)),
        (None, 1, Err(CategoryRefusal::NotFound)),
        (lamps(), 1, Err(CategoryRefusal::NotEmpty)),
        (lamps(), 0, Ok(lamps().unwrap())),
    ] {
        let answer = products::delete_category(category, products);
        assert_eq!(answer, expected, "{products} in it");
    }
}

#[test]
fn category_names_are_kept_as_written_and_compared_without_case() {
    let name = |text| CategoryName::parse(text).unwrap();
    assert_eq!(name(" Desk Lamps ").as_str(), "Desk Lamps");
    assert_eq!(name("Desk Lamps").key(), name("DESK lamps").key());
    assert_ne!(name("Desk Lamps").key(), name("Desk Lamp").key());
}

#[test]
fn what_somebody_writes_is_trimmed_and_has_a_bound() {
    type Read = fn(&str) -> Result<String, TextError>;
    let category_name: Read = |text| CategoryName::parse(text).map(|name| name.as_str().to_owned());
    let blank = Err(TextError::Blank);
    let empty = Ok(String::new());
    let texts: [(_, Read, _, _); 4] = [
        ("title", products::title, 255, &blank),
        ("description", products::description, 20_000, &empty),
        ("category", category_name, 30, &blank),
        ("comment", comments::text, 150, &blank),
    ];
    for (what, read, max, of_blank) in texts {
        assert_eq!(read("  so it is\n"), Ok("so it is".into()), "{what}");
        let longest = "ä".repeat(max);
        assert_eq!(read(&format!(" {longest} ")), Ok(longest.clone()), "{what}");
        let longer = longest + "ä";
        assert_eq!(read(&longer), Err(TextError::TooLong(max)), "{what}");
        assert_eq!(read("a\0b"), Err(TextError::Nul), "{what}");
        assert_eq!(read(" \t "), *of_blank, "{what}");
    }
}

#[test]
fn a_price_is_above_zero_and_has_a_bound() {
    let cents = |text| Price::parse(text).map(|price| price.money().cents());
    assert_eq!(cents("0.01"), Ok(1));
    assert_eq!(cents("99999999.99"), Ok(PRICE_MAX.cents()));
    assert_eq!(cents("0"), Err(PriceError::NotAboveZero));
    assert_eq!(cents("-1"), Err(PriceError::NotAboveZero));
    assert_eq!(cents("100000000.00"), Err(PriceError::TooHigh));
    assert!(matches!(cents("free"), Err(PriceError::Money(_))));
}

#[test]
fn a_product_is_offered_as_it_was_drafted() {
    let draft = Draft {
        title: "Lamp".into(),
        description: "Warm".into(),
        price: Price::new(Money::from_cents(1_000)).unwrap(),
        quantity: 5,
    };
    let offered = Product {
        id: ProductId(9),
        title: "Lamp".into(),
        category: CategoryId(2),
        description: "Warm".into(),
        price: draft.price,
        created_at: NOW,
    };
    let answer = products::offer(&draft, CategoryId(2), ProductId(9), NOW);
    assert_eq!(answer, offered);
}

#[test]
fn an_edit_of_a_product_changes_what_it_names_and_nothing_else() {
    let before = Product {
        description: "As it was".into(),
        ..product(1, 100)
    };
    let price = Price::new(Money::from_cents(200)).unwrap();
    let edits: [(Edit, Option<CategoryId>, Product); 5] = [
        (Edit::default(), None, before.clone()),
        (
            Edit {
                title: Some("New".into()),
                ..Edit::default()
            },
            None,
            Product {
                title: "New".into(),
                ..before.clone()
            },
        ),
        (
            Edit {
                description: Some(String::new()),
                ..Edit::default()
            },
            None,
            Product {
                description: String::new(),
                ..before.clone()
            },
        ),
        (
            Edit {
                price: Some(price),
                ..Edit::default()
            },
            None,
            Product {
                price,
                ..before.clone()
            },
        ),
        (
            Edit::default(),
            Some(CategoryId(2)),
            Product {
                category: CategoryId(2),
                ..before.clone()
            },
        ),
    ];
    for (edit, category, after) in edits {
        assert_eq!(products::edit(&before, &edit, category), after);
    }
}

#[test]
fn pieces_that_come_back_add_up_and_never_overflow() {
    assert_eq!(Stock(5).plus(3), Stock(8));
    assert_eq!(Stock(u64::MAX).plus(1), Stock(u64::MAX));
}

#[test]
fn a_photo_is_named_by_its_content_and_its_format() {
    let name = |format, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        Photo { format, bytes }.name()
    };
    // FIPS 180-2, appendix B.1: the SHA-256 of "abc", its first half.
    let digits = "ba7816bf8f01cfea414140de5dae2223";
    for (format, ending) in [
        (Format::Jpeg, "jpg"),
        (Format::Png, "png"),
        (Format::Webp, "webp"),
    ] {
        assert_eq!(name(format, b"abc"), format!("{digits}.{ending}"));
        assert_ne!(name(format, b"abd"), name(format, b"abc"));
    }
}
