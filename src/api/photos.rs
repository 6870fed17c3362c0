//! Photos: one's own set from a file, and everybody's served by name.

use bytes::Bytes;
use multer::Multipart;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::json;

use super::fault::{BODY_TOO_LARGE, Known, MALFORMED, NOT_FOUND, Problem, Refuse};
use super::form::FieldDoc;
use super::route::{
    Answer, Anyone, Asked, BODY_REFUSALS, BodyDoc, Ctx, Input, Json, Operation, Output, Success,
    User, read_body, unsupported,
};
use crate::http::{HeaderValue, Reply, Request, StatusCode, header, limits};
use crate::photo;
use crate::shop::photos::{Format, Photo};
use crate::shop::users::Account;
use crate::turns::Place;

pub fn photo_path(account: &Account) -> Option<String> {
    let name = account.photo.as_ref()?;
    Some(format!("/media/photos/{name}"))
}

/// The file of a `multipart/form-data` body.
pub struct PhotoUpload(Place, Bytes);

const MULTIPART: &str = "multipart/form-data";

/// What stands between the parts of a form with a file, if a request has one.
pub fn boundary(request: &Request) -> Option<String> {
    let given = request.header(header::CONTENT_TYPE)?;
    multer::parse_boundary(given).ok()
}

/// What a multipart body may hold beside the file.
const FRAMING_MAX_BYTES: usize = 16 << 10;

impl<C: Sync> Input<C> for PhotoUpload {
    const BODY_MAX_BYTES: usize = limits::PHOTO_MAX_BYTES + FRAMING_MAX_BYTES;

    async fn take(ctx: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        let given = asked.request.header(header::CONTENT_TYPE);
        let given = given.unwrap_or_default().to_owned();
        if !asked.request.has_body() {
            return Err(no_file());
        }
        if !given.to_ascii_lowercase().starts_with(MULTIPART) {
            return Err(unsupported(&given));
        }
        let broken = |_| Problem::new(&MALFORMED).saying("The body is no well-formed form-data.");
        let place = ctx.photos.place().map_err(Problem::from)?;
        let boundary = multer::parse_boundary(&given).map_err(broken)?;
        let max_bytes = <Self as Input<C>>::BODY_MAX_BYTES;
        let body = read_body(&mut asked.request, max_bytes).await?;
        let whole = futures_util::stream::once(async { Ok::<_, std::io::Error>(body) });
        let mut parts = Multipart::new(whole, boundary);
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            let is_file = matches!(part.name(), Some("photo" | "file"));
            let bytes = part.bytes().await.map_err(broken)?;
            if is_file && bytes.len() > limits::PHOTO_MAX_BYTES {
                return Err(Problem::new(&BODY_TOO_LARGE));
            }
            if is_file {
                return Ok(Self(place, bytes));
            }
        }
        Err(no_file())
    }

    fn describe(operation: &mut Operation) {
        let schema = json!({
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PNG, JPEG or WebP, at most 5 MiB and 40 megapixels. Kept at most 1024 pixels wide or high, without EXIF.",
        });
        operation.body = Some(BodyDoc {
            content_types: &[MULTIPART],
            fields: vec![FieldDoc {
                name: "photo",
                is_required: true,
                schema,
            }],
        });
        operation.refuses_fields = true;
        operation.refusals.extend(BODY_REFUSALS);
    }
}

fn no_file() -> Problem {
    Problem::field("photo", "Send the file as the form field `photo`.")
}

#[derive(Serialize, JsonSchema)]
pub struct PhotoSet {
    mess: &'static str,
    photo: Option<String>,
}

pub async fn set(
    ctx: Ctx<User>,
    PhotoUpload(place, bytes): PhotoUpload,
) -> Answer<Json<PhotoSet>, photo::Refusal> {
    let photo = photo::keep(place, bytes).await?;
    let account = ctx.store.set_photo(ctx.caller.id, photo).await?;
    Ok(Json(PhotoSet {
        mess: "Your photo is updated.",
        photo: photo_path(&account),
    }))
}

impl Refuse for photo::Refusal {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        let sentence = match self {
            Self::Empty => "The file is empty.",
            Self::UnknownFormat => {
                "This is no PNG, JPEG or WebP image. HEIC and others must be converted first."
            }
            Self::TooManyPixels => "The image has more than 40 megapixels.",
            Self::Broken => "The image is damaged or cut short.",
        };
        Problem::field("photo", sentence)
    }
}

/// A year: the longest that caches keep by (RFC 9111 sets no limit, browsers cap there).
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The file's name in the path.
pub struct Name(String);

impl<C: Sync> Input<C> for Name {
    async fn take(_: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        Ok(Self(
            asked.params.get("name").unwrap_or_default().to_owned(),
        ))
    }

    fn describe(operation: &mut Operation) {
        operation.path_params.push("name");
    }
}

pub async fn show(ctx: Ctx<Anyone>, Name(name): Name) -> Answer<Picture, NoPhoto> {
    Ok(Picture(ctx.store.photo(&name)?.ok_or(NoPhoto)?))
}

pub struct Picture(Photo);

impl Output for Picture {
    // Browsers ask for `image/avif,image/webp,*/*`; whoever follows the link takes what is there.
    const OFFERS: &'static [&'static str] = &[];

    fn reply(self, _: &Request) -> Reply {
        let reply = Reply::new(StatusCode::OK, content_type(self.0.format), self.0.bytes);
        reply.with(header::CACHE_CONTROL, FOR_A_YEAR)
    }

    fn describe(_: &mut SchemaGenerator) -> Success {
        let formats = [Format::Png, Format::Jpeg, Format::Webp];
        let content = formats.map(|format| {
            let content_type = content_type(format);
            (
                content_type,
                json!({"type": "string", "contentMediaType": content_type}),
            )
        });
        Success {
            status: StatusCode::OK,
            content: content.to_vec(),
            headers: vec![(
                "Cache-Control",
                "A year: a photo of this name never changes.",
            )],
        }
    }
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "image/jpeg",
        Format::Png => "image/png",
        Format::Webp => "image/webp",
    }
}

/// There is no photo of that name.
#[derive(Debug)]
pub struct NoPhoto;

impl Refuse for NoPhoto {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND];

    fn problem(self) -> Problem {
        Problem::new(&NOT_FOUND).saying("There is no such photo.")
    }
}
