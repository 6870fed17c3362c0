//! Photos as files: named by their content, so a name never shows anything else.

use schemars::SchemaGenerator;
use serde_json::json;

use super::fault::{Known, NOT_FOUND, Problem, Refuse};
use super::route::{Answer, Anyone, Asked, Ctx, Input, Operation, Output, Success};
use crate::http::{HeaderValue, Reply, Request, StatusCode, header};
use crate::shop::photos::{Format, Photo};

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

pub async fn photo(ctx: Ctx<Anyone>, Name(name): Name) -> Answer<Picture, NoPhoto> {
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
