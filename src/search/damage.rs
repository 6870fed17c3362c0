//! Harm to the index's files: it is built anew, or answers as before.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::fs;

use super::FOLDER;
use super::disk::{DiskIndex, Unusable};
use super::tests::{answers, catalogue, open_search, run, shop, small};
use crate::shop::ids::ProductId;

#[test]
fn a_damaged_or_foreign_index_is_built_anew() {
    let shop = shop(catalogue(100));
    let before = answers(&shop.search);
    shop.search.close();
    let index = shop.dir.path().join(FOLDER);
    let mut files: Vec<_> = fs::read_dir(&index)
        .expect("there")
        .map(|file| file.expect("read").path())
        .collect();
    files.sort();
    files.retain(|file| {
        !file.ends_with(".lock") && fs::metadata(file).is_ok_and(|file| file.len() > 64)
    });
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        let Ok(mut bytes) = fs::read(&file) else {
            continue;
        };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&file, bytes).expect("written");
        let search = open_search(shop.dir.path(), &shop.store);
        assert_eq!(answers(&search), before, "{}", file.display());
        search.close();
    }
    // Another store's index, left in the folder.
    let other = small(&[("Something else", "")]);
    other.search.close();
    fs::remove_dir_all(&index).expect("removed");
    fs::rename(other.dir.path().join(FOLDER), &index).expect("moved");
    let search = open_search(shop.dir.path(), &shop.store);
    assert_eq!(answers(&search), before);
    search.close();
    drop(shop.folder);
}

/// tantivy's lists of files and segments have no checksums.
#[test]
fn what_the_lists_of_the_index_forget_is_missed() {
    let shop = shop(catalogue(100));
    assert!(run(shop.store.withdraw(ProductId(7))).expect("withdrawn"));
    let before = answers(&shop.search);
    shop.search.close();
    let index = shop.dir.path().join(FOLDER);
    let named = |ending: &str| {
        let names = fs::read_dir(&index).expect("there");
        let mut names = names.map(|file| file.expect("read").file_name().into_string());
        names.find_map(|name| name.ok().filter(|name| name.ends_with(ending)))
    };
    let rewrite = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(index.join(name)).expect("read");
        assert!(text.contains(from), "{name}: {text}");
        fs::write(index.join(name), text.replacen(from, to, 1)).expect("written");
    };

    assert!(named(".del").is_some(), "a deletion is noted by itself");
    rewrite("meta.json", "\"deletes\"", "\"delates\"");
    let search = open_search(shop.dir.path(), &shop.store);
    assert_eq!(answers(&search), before, "a deletion was forgotten");
    search.close();

    let columns = named(".fast").expect("there");
    rewrite(".managed.json", &columns, &columns.replacen('.', "(", 1));
    let mut bytes = fs::read(index.join(&columns)).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(index.join(&columns), bytes).expect("written");
    let store = shop.store.identity().expect("read");
    let opened = DiskIndex::open(&index, store).map(|(_, progress)| progress);
    assert!(
        matches!(opened, Err(Unusable::Damaged(ref file)) if *file == columns),
        "{opened:?}"
    );
    let search = open_search(shop.dir.path(), &shop.store);
    assert_eq!(answers(&search), before, "a file was forgotten");
    search.close();
    drop(shop.folder);
}

/// `INDEX_DAMAGES=2000 cargo test index_damage` harms that often.
#[test]
fn index_damage_changes_no_answer() {
    let damages = std::env::var("INDEX_DAMAGES").ok();
    let damages: usize = damages.and_then(|asked| asked.parse().ok()).unwrap_or(60);
    let seed = getrandom::u64().expect("random") >> 16;
    let mut random = seed;
    let mut below = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).expect("small") % bound
    };
    let shop = shop(catalogue(60));
    let before = answers(&shop.search);
    shop.search.close();
    let index = shop.dir.path().join(FOLDER);
    for number in 0..damages {
        let entries = fs::read_dir(&index)
            .expect("there")
            .map(|file| file.expect("read").path());
        let mut files: Vec<_> = entries
            .filter(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
            .collect();
        files.sort();
        let file = &files[below(files.len())];
        let mut bytes = fs::read(file).expect("read");
        match below(4) {
            0 | 1 => {
                let at = below(bytes.len());
                bytes[at] ^= 1 << below(8);
            }
            2 => bytes.truncate(below(bytes.len())),
            _ => {
                let at = below(bytes.len());
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(0);
            }
        }
        fs::write(file, bytes).expect("written");
        let search = open_search(shop.dir.path(), &shop.store);
        assert_eq!(
            answers(&search),
            before,
            "seed {seed}, number {number}, {}",
            file.display()
        );
        search.close();
    }
    println!("{damages} index damages, seed {seed}: 0 other answers");
}
