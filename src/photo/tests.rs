//! Good photos, large ones, and bytes that only claim to be photos.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::{Refusal, SIDE_MAX, encode_now};
use crate::shop::photos::Format;

fn picture(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([x, y, x / 3 + y / 5].map(|colour| colour.to_le_bytes()[0]))
    })
    .into()
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

#[test]
fn each_format_comes_back_as_itself_and_in_our_bytes() {
    for (theirs, ours) in [
        (ImageFormat::Png, Format::Png),
        (ImageFormat::Jpeg, Format::Jpeg),
        (ImageFormat::WebP, Format::Webp),
    ] {
        let sent = file(&picture(60, 40), theirs);
        let kept = encode_now(&sent).expect("a good photo");
        assert_eq!(kept.format, ours);
        let shown = image::load_from_memory_with_format(&kept.bytes, theirs).expect("an image");
        assert_eq!((shown.width(), shown.height()), (60, 40));
        // What a decoder skips must not be passed on.
        let mut smuggled = sent.clone();
        smuggled.extend_from_slice(b"<script>alert(1)</script>");
        let kept = encode_now(&smuggled).expect("still a photo");
        assert!(!kept.bytes.windows(8).any(|window| window == b"<script>"));
    }
}

#[test]
fn a_large_photo_is_scaled_down_to_its_longer_side() {
    let kept = encode_now(&file(&picture(3_000, 1_500), ImageFormat::Jpeg)).expect("a photo");
    let shown = image::load_from_memory(&kept.bytes).expect("an image");
    assert_eq!((shown.width(), shown.height()), (SIDE_MAX, SIDE_MAX / 2));
}

#[test]
fn a_flood_of_pixels_is_refused_from_its_header() {
    // A PNG header that claims 50,000 x 50,000 pixels, and nothing behind it.
    let mut png = file(&picture(8, 8), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let crc = crc32fast::hash(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&crc);
    assert_eq!(encode_now(&png), Err(Refusal::TooManyPixels));
}

#[test]
fn what_is_no_photo_is_refused() {
    assert_eq!(encode_now(b""), Err(Refusal::Empty));
    assert_eq!(encode_now(b"hello"), Err(Refusal::UnknownFormat));
    assert_eq!(
        encode_now(b"GIF89a\x01\0\x01\0\0\0\0;"),
        Err(Refusal::UnknownFormat)
    );
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    assert_eq!(encode_now(heic), Err(Refusal::UnknownFormat));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let whole = file(&picture(64, 64), format);
        assert_eq!(encode_now(&whole[..whole.len() / 2]), Err(Refusal::Broken));
    }
    assert_eq!(
        encode_now(b"\x89PNG\r\n\x1a\nrubbish"),
        Err(Refusal::Broken)
    );
}
