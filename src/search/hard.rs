//! What is hard to find, for tests and fuzzing, and a search without a store or a disk.

use std::sync::OnceLock;
use std::time::Instant;

use super::part::Part;
use super::synonyms::Synonyms;
use super::{DEADLINE, rank, words};
use crate::shop::ids::ProductId;
use crate::shop::products::{Filter, Product};

/// Texts of many scripts, with what is hard about each.
pub const TEXTS: [(&str, &str); 14] = [
    ("Смартфон Galaxy", "Новый, ЁМКИЙ аккумулятор"),
    (
        "Écran plat 27\"",
        "Moniteur très fin; décomposé: e\u{301}cran",
    ),
    ("Straße GROẞ", "weiß, Füße, ÆØÅ æøå Œuvre"),
    ("O‘zbekcha qo'llanma", "O'zbekiston, gʻisht, ma’lumot"),
    ("İstanbul ışık", "TÜRKÇE İ ı I i"),
    ("Ελληνικά ΣΊΣΥΦΟΣ", "σίσυφος και Ἀθῆναι"),
    ("สมาร์ทโฟน รุ่นใหม่", "กล้อง 50 ล้านพิกเซล"),
    ("हिन्दी फ़ोन", "नया मॉडल, तेज़"),
    ("智能手机 Pro", "新款，5000mAh 电池"),
    ("ﬁsh ﬂute ½ ²", "ligatures ﬃ and ™ ℃ №5"),
    ("🎧 headphones 👨‍👩‍👧", "emoji in the middle🎉of words"),
    (
        "USB-C/USB-A wi-fi 802.11ax",
        "O'Reilly's rock-'n'-roll, 10-20 pcs",
    ),
    ("mk2 MK 2 Mk-2", "tn-2110 TN 2120 iPhone15 iPhone 15"),
    (
        "a b c",
        "x, y; z: 1.2.3 -- \"quoted\" (brackets) [list] {set} 100%_sure",
    ),
];

/// Which of these products a text finds, best first.
pub fn find_among(products: &[Product], text: &str) -> Vec<ProductId> {
    static SYNONYMS: OnceLock<Synonyms> = OnceLock::new();
    let mut part = Part::default();
    for product in products {
        part.insert(product);
    }
    let asked = rank::Asked {
        words: &words::of_query(text),
        filter: &Filter::default(),
        ordering: None,
        after: None,
        limit: products.len(),
        facets: false,
        deadline: Instant::now() + DEADLINE,
    };
    let synonyms = SYNONYMS.get_or_init(Synonyms::built_in);
    let found = rank::search(&[&part], synonyms, &asked).expect("memory does not fail");
    let ids = found.page.into_iter().map(|place| ProductId(place.id));
    ids.collect()
}
