//! Which form of a benchmark is asked for: the whole under `cargo bench`, a small one under `cargo test`.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    Small,
}

/// `None` when `cargo test` asks for tests that are not here. `marks` are words that ask for
/// the whole beside the one that `cargo bench` says.
pub fn asked(name: &str, marks: &[&str]) -> Option<Form> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_mark = |word: &String| word == "--bench" || marks.contains(&word.as_str());
    if words.iter().any(is_mark) {
        return Some(Form::Whole);
    }
    // `cargo test` hands the names that it looks for, and its own flags, to every binary.
    let mut names = words.iter().filter(|word| !word.starts_with('-'));
    let is_list = words.iter().any(|word| word == "--list");
    let is_meant = names.clone().count() == 0 || names.any(|looked| name.contains(looked.as_str()));
    (is_meant && !is_list).then_some(Form::Small)
}
