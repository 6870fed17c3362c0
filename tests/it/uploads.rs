//! Days of hostile pictures: broken ones, bombs, and pictures that carry more than a picture.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::ImageFormat;
use serde_json::Value;

use crate::photos::{multipart, picture, send};
use crate::shop::{Heard, Shop};

const SECRET: &[u8] = b"<script>alert('at home')</script>";
const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

/// What a hostile file of 5 MiB may add to the process: itself as it comes and as it is kept, what is
/// looked at of it, and the allocator's slack. An honest photo of 40 megapixels may take ten times that.
const GROWTH_MAX_KIB: u64 = 64 << 10;
/// What the process may take at most while it decodes one that is as large as a photo may be.
const LARGEST_MAX_KIB: u64 = 1 << 20;
const LARGEST_ANSWER_MAX: Duration = Duration::from_mins(1);
/// Far above what a bomb takes on a busy machine, far below inflating without end.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[track_caller]
fn give(shop: &Shop, what: &str, file: &[u8]) -> Heard {
    let asked = Instant::now();
    let heard = send(shop, "ann", multipart("photo", "me.png", file));
    let took = asked.elapsed();
    assert!(took < ANSWER_MAX, "{what} took {took:?}");
    match heard.status {
        200 => what_is_kept_is_our_own(shop, what, file, &heard),
        400 => assert!(
            heard.json()["photo"][0].is_string(),
            "{what}: {}",
            heard.text()
        ),
        other => panic!("{what}: {other} {}", heard.text()),
    }
    heard
}

#[track_caller]
fn what_is_kept_is_our_own(shop: &Shop, what: &str, sent: &[u8], heard: &Heard) {
    let photo = heard.json()["photo"].as_str().unwrap().to_owned();
    let served = shop.say("nobody", &format!("GET {photo}"), Value::Null);
    assert_eq!(served.status, 200, "{what}");
    assert_eq!(served.header("X-Content-Type-Options"), "nosniff", "{what}");
    let format = image::guess_format(&served.body).unwrap();
    assert_eq!(
        served.header("Content-Type"),
        format.to_mime_type(),
        "{what}"
    );
    image::load_from_memory_with_format(&served.body, format).unwrap();
    assert_ne!(served.body, sent, "{what} is served as it came");
    let hidden = served
        .body
        .windows(SECRET.len())
        .any(|bytes| bytes == SECRET);
    assert!(!hidden, "{what} is served with what hid in it");
    assert_eq!(
        beside_the_picture(&served.body, format),
        "",
        "{what} is served with more than a picture"
    );
}

/// The names of the parts of a file that are no picture.
fn beside_the_picture(file: &[u8], format: ImageFormat) -> String {
    let mut found = Vec::new();
    match format {
        ImageFormat::Png => {
            let mut rest = file.split_at(8).1;
            while let Some((head, after)) = rest.split_first_chunk::<8>() {
                let length = u32::from_be_bytes(*head.first_chunk().unwrap());
                found.push(String::from_utf8_lossy(head.split_at(4).1).into_owned());
                rest = after.split_at(usize::try_from(length).unwrap() + 4).1;
            }
            found.retain(|name| !["IHDR", "IDAT", "IEND"].contains(&name.as_str()));
            if !rest.is_empty() {
                found.push("trailing bytes".into());
            }
        }
        ImageFormat::WebP => {
            let length = u32::from_le_bytes(file.split_at(4).1.first_chunk().copied().unwrap());
            if usize::try_from(length).unwrap() + 8 != file.len() {
                found.push("trailing bytes".into());
            }
            let name = file.split_at(12).1.split_at(4).0;
            if name != b"VP8L" {
                found.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        _ => {
            // Segments up to the scan: tables, the frame, and JFIF's own few bytes.
            let mut rest = file.split_at(2).1;
            while let [0xff, marker, high, low, ..] = *rest {
                let is_a_part = matches!(marker, 0xc0..=0xe0);
                if !is_a_part {
                    found.push(format!("segment {marker:02x}"));
                }
                if marker == 0xda {
                    break;
                }
                rest = rest
                    .split_at(2 + usize::from(u16::from_be_bytes([high, low])))
                    .1;
            }
            if !file.ends_with(&[0xff, 0xd9]) {
                found.push("trailing bytes".into());
            }
        }
    }
    found.join(" ")
}

fn chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [&name[..], content].concat();
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let crc = crc32fast::hash(&named).to_be_bytes();
    [&length[..], &named, &crc].concat()
}

fn png(parts: &[Vec<u8>]) -> Vec<u8> {
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        parts.concat(),
        chunk(*b"IEND", b""),
    ]
    .concat()
}

/// A header of 8-bit grey, the least that a pixel can be without a palette.
fn header(width: u32, height: u32) -> Vec<u8> {
    let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(*b"IHDR", &[&sizes[..], &[8, 0, 0, 0, 0]].concat())
}

/// Zeros, a thousand to one.
fn packed(zeros: usize) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    let block = vec![0; 1 << 20];
    for _ in 0..zeros >> 20 {
        packer.write_all(&block).unwrap();
    }
    packer.write_all(&block[..zeros & 0xf_ffff]).unwrap();
    packer.finish().unwrap()
}

/// A PNG of 8 x 8 with more chunks before its picture.
fn png_with(chunks: &[Vec<u8>]) -> Vec<u8> {
    png(&[
        header(8, 8),
        chunks.concat(),
        chunk(*b"IDAT", &packed(8 * 9)),
    ])
}

fn jpeg_with(segments: &[u8]) -> Vec<u8> {
    let jpeg = picture(16, 16, ImageFormat::Jpeg);
    let (start, rest) = jpeg.split_at(2);
    [start, segments, rest].concat()
}

/// A WebP of these chunks, the last ones those of a picture.
fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, content) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        body.extend_from_slice(content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&b"RIFF"[..], &length, &body].concat()
}

/// The VP8L bits of a WebP of ours.
fn bits() -> Vec<u8> {
    let file = picture(16, 16, ImageFormat::WebP);
    let length = u32::from_le_bytes(file.split_at(16).1.first_chunk().copied().unwrap());
    file[20..20 + usize::try_from(length).unwrap()].to_vec()
}

/// VP8X: flags, and a canvas of this side less one.
fn canvas(flags: u8, side: u32) -> Vec<u8> {
    let side = (side - 1).to_le_bytes();
    [&[flags, 0, 0, 0], &side[..3], &side[..3]].concat()
}

fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let mut jpeg = picture(16, 16, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut bits = bits();
    // 14 bits each of width and height, behind the signature.
    bits[1..5].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    let still = [(b"VP8X", &canvas(0, 60_000)[..]), (b"VP8L", &bits)];
    vec![
        (
            "a png of 60,000 x 60,000",
            png(&[header(60_000, 60_000), chunk(*b"IDAT", &packed(1 << 20))]),
        ),
        (
            "a png of 4 giga x 4 giga",
            png(&[header(u32::MAX, u32::MAX), chunk(*b"IDAT", b"")]),
        ),
        ("a jpeg of 60,000 x 60,000", jpeg),
        ("a webp of 16,384 x 16,384", webp(&[(b"VP8L", &bits)])),
        ("a webp of 60,000 x 60,000", webp(&still)),
    ]
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let gigabyte = packed(1 << 30);
    let text = |head: &[u8]| [head, &gigabyte].concat();
    let many = vec![chunk(*b"tEXt", b"k\0v"); 300_000];
    let frame = |bits: &[u8]| {
        // Offsets, sizes less one, duration and flags, then the frame's own chunk.
        let head = [0, 0, 0, 0, 0, 0, 15, 0, 0, 15, 0, 0, 1, 0, 0, 0];
        let length = u32::try_from(bits.len()).unwrap().to_le_bytes();
        [&head[..], b"VP8L", &length, bits].concat()
    };
    let mut bits = bits();
    bits.resize(bits.len().next_multiple_of(2), 0);
    let (animated, frame) = (canvas(2, 16), frame(&bits));
    let mut frames: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &animated), (b"ANIM", &[0; 6])];
    frames.extend(vec![(b"ANMF", &frame[..]); (4 << 20) / (frame.len() + 8)]);
    vec![
        ("a zTXt bomb", png_with(&[chunk(*b"zTXt", &text(b"k\0\0"))])),
        (
            "an iTXt bomb",
            png_with(&[chunk(*b"iTXt", &text(b"k\0\x01\0\0\0"))]),
        ),
        (
            "an iCCP bomb",
            png_with(&[chunk(*b"iCCP", &text(b"k\0\0"))]),
        ),
        (
            "an IDAT that inflates to 1 GiB",
            png(&[header(8, 8), chunk(*b"IDAT", &gigabyte)]),
        ),
        ("300,000 chunks", png_with(&many)),
        ("a webp of many frames", webp(&frames)),
    ]
}

#[test]
fn no_bomb_takes_more_than_its_share_of_memory_or_time() {
    let shop = Shop::open();
    // What any photo takes is not the bombs' doing.
    give(&shop, "a photo", &picture(1_000, 1_000, ImageFormat::Png));
    let before = peak_kib(&shop);
    for (what, file) in floods() {
        let heard = give(&shop, what, &file);
        assert_eq!(heard.status, 400, "{what}");
    }
    for (what, file) in bombs() {
        give(&shop, what, &file);
        let grown = peak_kib(&shop) - before;
        assert!(grown < GROWTH_MAX_KIB, "{what}: {grown} KiB more");
    }
    give(&shop, "a photo after", &picture(60, 40, ImageFormat::Png));
}

/// Pictures of as many pixels as a photo may have, a thousand to one.
fn largest() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |width: u32, height: u32| {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        chunk(*b"IHDR", &[&sizes[..], &[16, 6, 0, 0, 0]].concat())
    };
    let rows = |row: usize, count: usize| chunk(*b"IDAT", &packed((row + 1) * count));
    vec![
        (
            "40 megapixels of grey",
            png(&[header(8_000, 5_000), rows(8_000, 5_000)]),
        ),
        (
            "40 megapixels of four channels of 16 bits",
            png(&[deep(8_000, 5_000), rows(8_000 * 8, 5_000)]),
        ),
        (
            "40 megapixels in few rows",
            png(&[header(400_000, 100), rows(400_000, 100)]),
        ),
        (
            "40 megapixels in one column",
            png(&[header(1, 40_000_000), rows(1, 40_000_000)]),
        ),
    ]
}

#[test]
fn the_largest_pictures_take_what_the_decoder_may_and_no_more() {
    let shop = Shop::open();
    for (what, file) in largest() {
        assert!(file.len() < 1 << 20, "{what}: {} bytes", file.len());
        let asked = Instant::now();
        let heard = send(&shop, "ann", multipart("photo", "me.png", &file));
        let took = asked.elapsed();
        assert!(took < LARGEST_ANSWER_MAX, "{what} took {took:?}");
        assert_eq!(heard.status, 200, "{what}: {}", heard.text());
        what_is_kept_is_our_own(&shop, what, &file, &heard);
        let grown = peak_kib(&shop);
        assert!(grown < LARGEST_MAX_KIB, "{what}: {grown} KiB");
    }
    let one_more = png(&[header(8_000, 5_001), chunk(*b"IDAT", b"")]);
    assert_eq!(give(&shop, "a row more", &one_more).status, 400);
}

/// The most memory that the process ever held.
fn peak_kib(shop: &Shop) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", shop.process().id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits = line.unwrap().split_whitespace().nth(1);
    digits.unwrap().parse().unwrap()
}

#[test]
fn what_hides_in_a_picture_is_not_served() {
    let shop = Shop::open();
    let segment = |marker: u8, name: &[u8]| {
        let content = [name, SECRET].concat();
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], &content].concat()
    };
    let text = |name: [u8; 4], head: &[u8]| png_with(&[chunk(name, &[head, SECRET].concat())]);
    let bits = bits();
    let noted = canvas(0x0c, 16);
    let mut files = vec![
        ("a page in a jpeg's comment", jpeg_with(&segment(0xfe, b""))),
        ("an Exif segment", jpeg_with(&segment(0xe1, b"Exif\0\0"))),
        ("a segment of a maker's", jpeg_with(&segment(0xef, b""))),
        ("a tEXt chunk", text(*b"tEXt", b"k\0")),
        ("an iTXt chunk", text(*b"iTXt", b"k\0\0\0\0\0")),
        ("an eXIf chunk", text(*b"eXIf", b"II*\0")),
        ("a chunk of nobody's", text(*b"scRt", b"")),
        (
            "XMP and Exif in a webp",
            webp(&[
                (b"VP8X", &noted),
                (b"VP8L", &bits),
                (b"EXIF", SECRET),
                (b"XMP ", SECRET),
            ]),
        ),
    ];
    for format in FORMATS {
        let behind = [&picture(16, 16, format), SECRET].concat();
        files.push(("a page behind a picture", behind));
    }
    for (what, file) in files {
        assert_eq!(give(&shop, what, &file).status, 200, "{what}");
    }
    let page = [SECRET, &picture(16, 16, ImageFormat::Png)].concat();
    assert_eq!(give(&shop, "a picture behind a page", &page).status, 400);
}

#[test]
fn a_picture_cut_short_anywhere_is_refused_or_made_whole() {
    let shop = Shop::open();
    for format in FORMATS {
        let whole = picture(8, 8, format);
        for length in (0..whole.len()).step_by(5) {
            let what = format!("{format:?} of {length} bytes");
            give(&shop, &what, whole.split_at(length).0);
        }
    }
}

#[test]
fn the_collections_of_broken_and_odd_pictures_do_no_harm() {
    let shop = Shop::open();
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/corpora");
    for folder in ["pngsuite", "png_bad"] {
        // They are not part of the project; the tests above do without.
        let Ok(files) = fs::read_dir(corpora.join(folder)) else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|end| end != "png") {
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let heard = give(&shop, name, &fs::read(&path).unwrap());
            if folder == "pngsuite" {
                let wanted = if name.starts_with('x') { 400 } else { 200 };
                assert_eq!(heard.status, wanted, "{name}: {}", heard.text());
            }
        }
    }
}
