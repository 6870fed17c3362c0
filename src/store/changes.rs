//! What a batch changed, row by row, as the bytes that the log keeps of it.
//!
//! A change is `[table][key length: u32][record length + 1: u32][key][record]`; a record length of
//! 0 says that the row was removed. Changes hold whole rows, so that a change made twice is made.

/// The changes of one transaction, in their order.
#[derive(Debug, Default)]
pub enum Changes {
    /// Nobody will ask for them.
    #[default]
    Unkept,
    Kept {
        bytes: Vec<u8>,
        max: usize,
    },
    /// They were more than somebody wanted to keep.
    TooMany,
}

/// One row, and what is in it since; `None` if it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    pub table: u8,
    pub key: &'a [u8],
    pub record: Option<&'a [u8]>,
}

impl Changes {
    /// Keeps changes of up to so many bytes together.
    pub fn kept(max: usize) -> Self {
        Self::Kept {
            bytes: Vec::new(),
            max,
        }
    }

    pub fn add(&mut self, change: Change<'_>) {
        let Self::Kept { bytes, max } = self else {
            return;
        };
        let record = change.record.unwrap_or_default();
        let length = 1 + 4 + 4 + change.key.len() + record.len();
        if bytes.len() + length > *max {
            *self = Self::TooMany;
            return;
        }
        let record_length = change.record.map_or(0, |record| length_of(record) + 1);
        bytes.push(change.table);
        bytes.extend_from_slice(&length_of(change.key).to_le_bytes());
        bytes.extend_from_slice(&record_length.to_le_bytes());
        bytes.extend_from_slice(change.key);
        bytes.extend_from_slice(record);
    }

    /// As they were kept, if they were.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Kept { bytes, .. } => Some(bytes),
            Self::Unkept | Self::TooMany => None,
        }
    }
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a key or a record is far below 4 GiB")
}

/// The changes that were kept so; the last is `None` where the bytes are no such.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Option<Change<'_>>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let change = read_one(&mut bytes);
        if change.is_none() {
            bytes = &[];
        }
        Some(change)
    })
}

fn read_one<'a>(bytes: &mut &'a [u8]) -> Option<Change<'a>> {
    let table = *bytes.split_off_first()?;
    let key_length = read_length(bytes)?;
    let record_length = read_length(bytes)?;
    let key = bytes.split_off(..key_length)?;
    let record = match record_length.checked_sub(1) {
        Some(length) => Some(bytes.split_off(..length)?),
        None => None,
    };
    Some(Change { table, key, record })
}

fn read_length(bytes: &mut &[u8]) -> Option<usize> {
    let length = bytes.split_off(..4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(length)).ok()
}
