//! Content negotiation: what a client can be answered with (RFC 9110, section 12.5.1).

/// The offer that an `Accept` header likes best, the first of equals; `None` when it leaves none.
/// No header, or an empty one, takes anything.
pub fn best<'o>(accept: Option<&str>, offers: &[&'o str]) -> Option<&'o str> {
    let accept = accept.map_or("*/*", str::trim);
    let accept = if accept.is_empty() { "*/*" } else { accept };
    let ranges: Vec<_> = accept.split(',').filter_map(Range::parse).collect();
    let mut best = None;
    for offer in offers {
        let quality = quality(&ranges, offer);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((*offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// `text/*;q=0.5`
struct Range {
    kind: String,
    subkind: String,
    /// In thousandths.
    quality: u32,
}

impl Range {
    /// `None` for what is no media range: it names nothing that could be sent.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subkind) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1_000), |(_, value)| thousandths(value.trim()))?;
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subkind: subkind.to_ascii_lowercase(),
            quality,
        })
    }

    /// How closely it describes a media type, if it does at all.
    fn closeness(&self, kind: &str, subkind: &str) -> Option<u8> {
        match (&*self.kind, &*self.subkind) {
            ("*", "*") => Some(0),
            (mine, "*") if mine == kind => Some(1),
            (mine, mine_too) if mine == kind && mine_too == subkind => Some(2),
            _ => None,
        }
    }
}

/// What the closest range says of an offer.
fn quality(ranges: &[Range], offer: &str) -> u32 {
    let (kind, subkind) = offer.split_once('/').unwrap_or((offer, ""));
    ranges
        .iter()
        .filter_map(|range| Some((range.closeness(kind, subkind)?, range.quality)))
        .max()
        .map_or(0, |(_, quality)| quality)
}

/// `0.5` to 500; at most three digits after the point.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let fraction: u32 = format!("{fraction:0<3}").parse().ok()?;
    let quality = whole.checked_mul(1_000)?.checked_add(fraction)?;
    (quality <= 1_000).then_some(quality)
}
