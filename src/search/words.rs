//! Words: what a text and a query are cut into, and which words are near one another.
//!
//! Folding goes character by character, so that folding a piece of a text gives a piece of the
//! folded text. That is what makes the superset rule true: if a query is a piece of a text, each
//! word of the query lies inside a word of the text.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Hands the folded characters of one to `each`: lower case, compatibility-decomposed (UAX #15,
/// NFKD), without marks.
fn fold(c: char, mut each: impl FnMut(char)) {
    if c.is_ascii() {
        return each(c.to_ascii_lowercase());
    }
    for c in c.to_lowercase().nfkd().flat_map(char::to_lowercase) {
        match c {
            'ß' => {
                each('s');
                each('s');
            }
            'æ' => {
                each('a');
                each('e');
            }
            'œ' => {
                each('o');
                each('e');
            }
            'ø' => each('o'),
            'đ' | 'ð' => each('d'),
            'ł' => each('l'),
            'þ' => {
                each('t');
                each('h');
            }
            'ı' => each('i'),
            'ς' => each('σ'),
            c if is_combining_mark(c) => {}
            c => each(c),
        }
    }
}

/// The words of a query, each once, in their order.
pub fn of_query(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    runs(text, |run| {
        if !words.iter().any(|word| word == run.word) {
            words.push(run.word.to_owned());
        }
    });
    words
}

/// The words of a text in their order, with what stands joined as well as apart.
pub fn of_text(text: &str, mut each: impl FnMut(&str)) {
    let mut joiner = Joiner::default();
    let mut each = |word: &str| in_pieces(word, &mut each);
    runs(text, |run| {
        joiner.meet(&run, &mut each);
        each(run.word);
    });
    joiner.end_chain(&mut each);
}

/// Characters of a word that is kept whole: longer ones, as of scripts without spaces, would not
/// fit in an index of tantivy's, whose words are below 64 KiB.
const WORD_MAX: usize = 12_000;
/// How far pieces of a longer word overlap: further than any query is long, whose 255 characters
/// fold to at most 18 each.
const OVERLAP: usize = 5_000;

fn in_pieces(word: &str, each: &mut impl FnMut(&str)) {
    if word.len() <= WORD_MAX {
        return each(word);
    }
    let starts: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
    let end_of = |letter: usize| starts.get(letter).copied().unwrap_or(word.len());
    let mut from = 0;
    loop {
        each(
            word.get(end_of(from)..end_of(from + WORD_MAX))
                .unwrap_or_default(),
        );
        if from + WORD_MAX >= starts.len() {
            return;
        }
        from += WORD_MAX - OVERLAP;
    }
}

/// A run of letters and digits.
struct Run<'a> {
    word: &'a str,
    /// What separates it from the run before: `None` at the first or after more than one
    /// character.
    separator: Option<char>,
}

/// Cuts a text into its runs of letters and digits; marks join, everything else separates.
fn runs(text: &str, mut each: impl FnMut(Run<'_>)) {
    let mut word = String::new();
    let mut separator = None;
    let mut separators = 0;
    let mut end = |word: &mut String, separator: Option<char>| {
        each(Run { word, separator });
        word.clear();
    };
    for c in text.chars() {
        fold(c, |c| {
            if c.is_alphanumeric() {
                word.push(c);
                return;
            }
            if !word.is_empty() {
                end(&mut word, separator.filter(|_| separators == 1));
                separators = 0;
            }
            separator = Some(c);
            separators += 1;
        });
    }
    if !word.is_empty() {
        end(&mut word, separator.filter(|_| separators == 1));
    }
}

/// Makes the joined words: `usb-c` is `usbc` too, `o'reilly` `oreilly`.
#[derive(Default)]
struct Joiner {
    chain: String,
    links: usize,
}

impl Joiner {
    fn meet(&mut self, run: &Run<'_>, each: &mut impl FnMut(&str)) {
        let is_linked = matches!(
            run.separator,
            Some('-' | '\u{2010}' | '\u{2011}' | '\'' | '`' | '‘' | '’' | 'ʻ')
        );
        if !is_linked {
            self.end_chain(each);
        }
        self.chain.push_str(run.word);
        self.links += 1;
    }

    fn end_chain(&mut self, each: &mut impl FnMut(&str)) {
        let is_range = self.chain.bytes().all(|byte| byte.is_ascii_digit()); // 10-20
        if self.links > 1 && !is_range {
            each(&self.chain);
        }
        self.chain.clear();
        self.links = 0;
    }
}

/// The two words that a word may be written as: `mk2` as `mk 2`, which is known from the word
/// alone.
pub fn name_and_number(word: &str) -> Option<(&str, &str)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let starts_with_digit = word.starts_with(is_digit);
    let at = word.find(|c| is_digit(c) != starts_with_digit)?;
    let (first, second) = word.split_at(at);
    let is_one_kind = second.chars().all(|c| is_digit(c) != starts_with_digit);
    is_one_kind.then_some((first, second))
}

/// Every way to write a long word as two of two letters or more: `smartwatch` as `smart watch`,
/// `wifi` as `wi fi`.
pub fn halves(word: &str) -> impl Iterator<Item = (&str, &str)> {
    let letters = word.chars().count();
    let ends = word.char_indices().map(|(at, _)| at).enumerate();
    ends.filter(move |(letter, _)| *letter >= 2 && letter + 2 <= letters)
        .map(|(_, at)| word.split_at(at))
}

/// The other English numbers of a word: `laptop` and `laptops`, `battery` and `batteries`, `box`
/// and `boxes`.
pub fn other_numbers(word: &str) -> Vec<String> {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Vec::new();
    }
    let hisses = |stem: &str| {
        ["s", "x", "z", "ch", "sh"]
            .iter()
            .any(|end| stem.ends_with(end))
    };
    let mut others = Vec::new();
    if let Some(stem) = word.strip_suffix("ies") {
        others.push(format!("{stem}y"));
    }
    if let Some(stem) = word.strip_suffix("es").filter(|stem| hisses(stem)) {
        others.push(stem.to_owned());
    }
    match word.strip_suffix('s') {
        Some(stem) if !stem.ends_with('s') && stem.len() > 2 => others.push(stem.to_owned()),
        Some(_) => {}
        None => others.push(format!("{word}s")),
    }
    if hisses(word) {
        others.push(format!("{word}es"));
    }
    if let Some(stem) = word.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        others.push(format!("{stem}ies"));
    }
    others
}

/// Typos forgiven in a word: none with a digit in it, for `tn-2110` is not `tn-2120`.
pub fn typos_forgiven(word: &str) -> usize {
    match word.chars().count() {
        _ if word.chars().any(char::is_numeric) => 0,
        0..4 => 0,
        4..7 => 1,
        // Eight letters of which one was left out are seven.
        7.. => 2,
    }
}

/// A set of the letters of a word, as bits of a 32-bit number. A typo changes at most two of them,
/// whatever letters share a bit.
pub fn letters(word: &str) -> u32 {
    word.chars()
        .fold(0, |bits, c| bits | 1 << (u32::from(c) & 31))
}

/// Whether one becomes the other by at most `max` insertions, deletions, substitutions and swaps
/// of neighbours, no place touched twice (optimal string alignment; Boytsov, "Indexing methods
/// for approximate dictionary searching", 2011, section 2.1).
pub fn is_within(a: &[char], b: &[char], max: usize) -> bool {
    if a.len().abs_diff(b.len()) > max {
        return false;
    }
    let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (&a[..a.len() - suffix], &b[..b.len() - suffix]);
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len()) <= max;
    }

    // Three rows of the table: two back for swaps, one back, and the one being filled.
    let mut two_back = vec![0; b.len() + 1];
    let mut back: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        let mut least = i;
        for j in 1..=b.len() {
            let is_same = a[i - 1] == b[j - 1];
            let mut cost = (back[j - 1] + usize::from(!is_same))
                .min(back[j] + 1)
                .min(row[j - 1] + 1);
            let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if is_swap {
                cost = cost.min(two_back[j - 2] + 1);
            }
            row[j] = cost;
            least = least.min(cost);
        }
        if least > max {
            return false;
        }
        std::mem::swap(&mut two_back, &mut back);
        std::mem::swap(&mut back, &mut row);
    }
    back[b.len()] <= max
}
