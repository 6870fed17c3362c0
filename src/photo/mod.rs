//! Photos from outside: decoded, scaled down and encoded anew, so that nothing of the sender's
//! bytes is ever served.
//!
//! EXIF and every other annotation is dropped; the orientation it told is applied first.

#[cfg(test)]
mod tests;

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::shop::photos::{Format, Photo};
use crate::turns::{Busy, Place, Turns};

/// Width times height, read from the header before anything is decoded.
pub const PIXELS_MAX: u64 = if cfg!(fuzzing) { 250_000 } else { 40_000_000 };
/// Pixels of the longer side of what is kept: a profile photo is shown small.
pub const SIDE_MAX: u32 = 1_024;

/// What a decoder may allocate: 40 megapixels of four 16-bit channels, and as much to work in.
const DECODE_MAX_BYTES: u64 = 640 << 20;
/// What a PNG may hold beside its pixels, unpacked: 5 MiB of a colour profile can inflate to 5 GiB.
/// Profiles of cameras and printers are at most about 2 MiB.
const BESIDE_MAX_BYTES: u64 = 16 << 20;
const JPEG_QUALITY: u8 = 85;

/// Images at once: one may take the memory above.
const RUNNING_MAX: usize = 1;
/// Photos being sent or waiting, each with at most 5 MiB in hand: 85 MiB in all.
const WAITING_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Empty,
    /// Not PNG, JPEG or WebP by its content; HEIC and GIF too.
    UnknownFormat,
    TooManyPixels,
    /// It begins like an image and does not go on like one.
    Broken,
}

/// Encodes photos off the runtime's threads. Cheap to clone.
#[derive(Clone)]
pub struct Encoder {
    turns: Turns,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            turns: Turns::heavy(RUNNING_MAX, WAITING_MAX),
        }
    }
}

impl Encoder {
    /// A place for a photo that is about to be sent: what is in hand at once is bounded.
    pub fn place(&self) -> Result<Place, Busy> {
        self.turns.place()
    }
}

/// Encodes a photo anew when its turn has come.
pub async fn keep(
    place: Place,
    bytes: impl AsRef<[u8]> + Send + 'static,
) -> Result<Photo, Refusal> {
    // A decoder that panics on hostile bytes has met a broken image.
    let work = place.run(move || encode_now(bytes.as_ref())).await;
    work.unwrap_or(Err(Refusal::Broken))
}

fn encode_now(bytes: &[u8]) -> Result<Photo, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    let (image_format, format) = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => (ImageFormat::Jpeg, Format::Jpeg),
        Ok(ImageFormat::Png) => (ImageFormat::Png, Format::Png),
        Ok(ImageFormat::WebP) => (ImageFormat::WebP, Format::Webp),
        _ => return Err(Refusal::UnknownFormat),
    };
    let image = decode(bytes, image_format)?;
    let image = if image.width().max(image.height()) > SIDE_MAX {
        image.resize(SIDE_MAX, SIDE_MAX, FilterType::Triangle)
    } else {
        image
    };
    let bytes = encode(&image, format).map_err(|_| Refusal::Broken)?;
    Ok(Photo { format, bytes })
}

fn decode(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, Refusal> {
    let broken = |_| Refusal::Broken;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(at_most(BESIDE_MAX_BYTES));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(Refusal::TooManyPixels);
    }
    decoder
        .set_limits(at_most(DECODE_MAX_BYTES))
        .map_err(broken)?;
    // A photo with unreadable annotations is still a photo.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

fn at_most(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

fn encode(image: &DynamicImage, format: Format) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
            image.to_rgb8().write_with_encoder(encoder)?;
        }
        Format::Png => image
            .to_rgba8()
            .write_with_encoder(PngEncoder::new(&mut bytes))?,
        Format::Webp => image
            .to_rgba8()
            .write_with_encoder(WebPEncoder::new_lossless(&mut bytes))?,
    }
    Ok(bytes)
}
