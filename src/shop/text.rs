//! Text: what may be stored, and when two names are the same.

use unicode_normalization::UnicodeNormalization;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    Blank,
    /// Longer than this many characters.
    TooLong(usize),
    /// Holds U+0000, which stores and terminals of others choke on.
    Nul,
}

/// Trimmed text of at most `max` characters (code points), not blank.
pub fn line(text: &str, max: usize) -> Result<String, TextError> {
    match optional_line(text, max)? {
        text if text.is_empty() => Err(TextError::Blank),
        text => Ok(text),
    }
}

/// Trimmed text of at most `max` characters, or none.
pub fn optional_line(text: &str, max: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.contains('\0') {
        return Err(TextError::Nul);
    }
    if text.chars().nth(max).is_some() {
        return Err(TextError::TooLong(max));
    }
    Ok(text.to_owned())
}

/// The form in which names are compared: compatibility-normalised (UAX #15, NFKC), without case.
pub fn fold(text: &str) -> String {
    // Up and down again, character by character: `Σ`, `σ` and `ς` are one, wherever they stand.
    let upper = text.nfkc().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// The form in which a username is kept: `ﬁsh` signs up as `fish`.
pub fn normalise(text: &str) -> String {
    text.nfkc().collect()
}
