//! The `OpenAPI` 3.1 document, printed from the route table.

use std::sync::LazyLock;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::fault::{
    BUSY, CLOSING, DISK_FULL, Known, NOT_ACCEPTABLE, NOT_READ, NOT_WRITTEN, Never, OUTCOME_UNKNOWN,
    Problem, THROTTLED,
};
use super::form::{FieldDoc, Fields, Form};
use super::kinds::Choice;
use super::once::{KEY_MALFORMED, KEY_REUSED};
use super::route::{
    Access, Answer, Anyone, BodyDoc, Ctx, Operation, Output, Query, Route, Success,
};
use super::{routes, wire};
use crate::http::{Method, Reply, Request, StatusCode, accept, header};

/// The original's own type for it, then the registered one (RFC 9512).
const ORIGINAL_YAML: &str = "application/vnd.oai.openapi";
const YAML: &str = "application/yaml";

/// The document, put together once.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&routes()));

const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("yaml", Format::Yaml)];

#[derive(Clone, Copy)]
enum Format {
    Json,
    Yaml,
}

/// `?format=`, which overrules `Accept`.
pub struct Wanted(Option<Format>);

impl Fields for Wanted {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.optional("format", &Choice(&FORMATS)).map(Self)
    }
}

pub async fn show(_: Ctx<Anyone>, Query(Wanted(format)): Query<Wanted>) -> Answer<Document, Never> {
    Ok(Document(format))
}

pub struct Document(Option<Format>);

impl Output for Document {
    const OFFERS: &'static [&'static str] = &[ORIGINAL_YAML, YAML, wire::JSON];

    fn reply(self, request: &Request) -> Reply {
        let best = accept::best(request.header(header::ACCEPT), Self::OFFERS);
        let content_type = match (self.0, best) {
            (Some(Format::Json), _) | (None, Some(wire::JSON)) => {
                return wire::json(StatusCode::OK, &*DOCUMENT).varying();
            }
            (_, Some(YAML)) => YAML,
            (_, _) => ORIGINAL_YAML,
        };
        match serde_saphyr::to_string(&*DOCUMENT) {
            Ok(yaml) => Reply::new(StatusCode::OK, content_type, yaml).varying(),
            Err(error) => Problem::internal(&error).reply(),
        }
    }

    fn describe(_: &mut SchemaGenerator) -> Success {
        let content = Self::OFFERS.iter();
        Success {
            status: StatusCode::OK,
            content: content
                .map(|kind| (*kind, json!({"type": "object"})))
                .collect(),
            headers: Vec::new(),
        }
    }
}

fn document(routes: &[Route]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = route.method.as_str().to_ascii_lowercase();
        path[method] = operation(route, &mut generator);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".into(), problem_schema());
    schemas.insert("FieldErrors".into(), field_errors_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "electron-market",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An online shop: accounts, products, search, carts and orders. Every path works with and without its last slash. Money is text with two decimals, times are RFC 3339 in UTC, ids are whole numbers from 1.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The `access` token of POST /auth/login/; good for an hour.",
                },
            },
        },
    })
}

const TAGS: [(&str, &str); 5] = [
    ("auth", "Accounts, sessions and profiles."),
    (
        "products",
        "What is offered, in which categories, and what is said about it.",
    ),
    ("cart", "What somebody means to buy."),
    ("orders", "What somebody bought."),
    (
        "shop",
        "The shop itself: its door, its health, its documents.",
    ),
];

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "What is wrong. Programs go by `code`, people read `detail`.",
        "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
        "required": ["detail", "code"],
    })
}

fn field_errors_schema() -> Value {
    json!({
        "type": "object",
        "description": "Every field that is wrong and what is wrong with it; `non_field_errors` for the whole.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "minProperties": 1,
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let Operation {
        path_params,
        query,
        body,
        success,
        mut refusals,
        is_done_once,
        refuses_fields,
    } = route.describe(generator);
    refusals.extend([&THROTTLED, &BUSY, &NOT_READ, &NOT_WRITTEN, &CLOSING]);
    if route.method != Method::GET {
        refusals.extend([&OUTCOME_UNKNOWN, &DISK_FULL]);
    }
    if !route.offers.is_empty() {
        refusals.push(&NOT_ACCEPTABLE);
    }
    let is_done_once = is_done_once && route.method != Method::GET;
    if is_done_once {
        refusals.extend([&KEY_MALFORMED, &KEY_REUSED]);
    }
    let is_read = route.method == Method::GET;
    let parameters: Vec<Value> = path_params
        .into_iter()
        .map(path_parameter)
        .chain(query.into_iter().map(query_parameter))
        .chain(is_done_once.then(idempotency_key))
        .chain(is_read.then(if_none_match))
        .collect();
    let security = match route.access {
        // A token may be shown, and then must be good.
        Access::Anyone => json!([{}, {"bearer": []}]),
        Access::User | Access::Admin => json!([{"bearer": []}]),
    };
    let who = match route.access {
        Access::Anyone => "Anyone may call this.",
        Access::User => "For who is signed in.",
        Access::Admin => "For admins.",
    };
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": who,
        "tags": [tag(route.path)],
        "security": security,
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = body {
        operation["requestBody"] = request_body(body);
    }
    let mut responses = Map::new();
    if let Some(mut success) = success {
        if is_read {
            success.headers.push(ETAG);
        }
        responses.insert(
            success.status.as_str().to_owned(),
            success_response(success),
        );
    }
    if is_read {
        responses.insert(
            StatusCode::NOT_MODIFIED.as_str().to_owned(),
            json!({
                "description": "What `If-None-Match` shows is what would be sent",
                "headers": {(ETAG.0): text_header(ETAG.1)},
            }),
        );
    }
    responses.extend(problem_responses(&refusals, refuses_fields));
    operation["responses"] = responses.into();
    operation
}

/// `patch_auth_users`: the method and the fixed parts of the path.
fn operation_id(route: &Route) -> String {
    let parts = route
        .path
        .split('/')
        .filter(|part| !part.is_empty() && !part.starts_with('{'));
    let words: Vec<_> = parts.map(|part| part.replace('-', "_")).collect();
    let path = if words.is_empty() {
        "home".into()
    } else {
        words.join("_")
    };
    format!("{}_{path}", route.method.as_str().to_ascii_lowercase())
}

fn tag(path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    let tag = TAGS.iter().find(|(name, _)| *name == first);
    tag.map_or("shop", |(name, _)| name)
}

fn path_parameter(name: &str) -> Value {
    let schema = if name == "id" {
        json!({"type": "integer", "minimum": 1})
    } else {
        json!({"type": "string", "minLength": 1})
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "The same key again within 24 hours answers the same and does nothing more; the reply then has `Idempotent-Replayed: true`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    })
}

/// What every reply to a read has.
const ETAG: (&str, &str) = (
    "ETag",
    "What was sent, in short; shown again as `If-None-Match`.",
);

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match",
        "in": "header",
        "required": false,
        "description": "The `ETag` of what the client has: if it is still the same, the answer is 304 without a body.",
        "schema": {"type": "string"},
    })
}

fn query_parameter(doc: FieldDoc) -> Value {
    let FieldDoc {
        name,
        is_required,
        schema,
    } = doc;
    json!({"name": name, "in": "query", "required": is_required, "schema": schema})
}

fn request_body(body: BodyDoc) -> Value {
    let required: Vec<_> = body
        .fields
        .iter()
        .filter(|field| field.is_required)
        .map(|field| field.name)
        .collect();
    let is_required = !required.is_empty();
    let fields = body.fields.into_iter();
    let properties: Map<_, _> = fields
        .map(|field| (field.name.to_owned(), field.schema))
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if is_required {
        schema["required"] = required.into();
    }
    let content: Map<_, _> = body
        .content_types
        .iter()
        .map(|kind| ((*kind).to_owned(), json!({"schema": schema})))
        .collect();
    json!({"required": is_required, "content": content})
}

fn success_response(success: Success) -> Value {
    let Success {
        status,
        content,
        headers,
    } = success;
    let content: Map<_, _> = content
        .into_iter()
        .map(|(kind, schema)| (kind.to_owned(), json!({"schema": schema})))
        .collect();
    let headers: Map<_, _> = headers
        .into_iter()
        .map(|(name, says)| (name.to_owned(), text_header(says)))
        .collect();
    let mut response = json!({"description": status.canonical_reason().unwrap_or("Done")});
    if !content.is_empty() {
        response["content"] = content.into();
    }
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    response
}

fn text_header(says: &str) -> Value {
    json!({"description": says, "schema": {"type": "string"}})
}

/// One response a status, naming every code it may come with.
fn problem_responses(refusals: &[&Known], refuses_fields: bool) -> Map<String, Value> {
    let mut statuses: Vec<_> = refusals.iter().map(|known| known.status).collect();
    if refuses_fields {
        statuses.push(StatusCode::BAD_REQUEST);
    }
    statuses.sort();
    statuses.dedup();
    statuses
        .into_iter()
        .map(|status| {
            let mut known: Vec<&Known> = Vec::new();
            for refusal in refusals.iter().filter(|refusal| refusal.status == status) {
                if !known.iter().any(|known| known.code == refusal.code) {
                    known.push(refusal);
                }
            }
            let fields = refuses_fields && status == StatusCode::BAD_REQUEST;
            (
                status.as_str().to_owned(),
                problem_response(status, &known, fields),
            )
        })
        .collect()
}

fn problem_response(status: StatusCode, known: &[&Known], with_fields: bool) -> Value {
    let mut says: Vec<_> = known
        .iter()
        .map(|known| format!("`{}`: {}", known.code, known.says))
        .collect();
    let mut schemas = Vec::new();
    if !known.is_empty() {
        let codes: Vec<_> = known.iter().map(|known| known.code).collect();
        schemas.push(json!({
            "allOf": [
                {"$ref": "#/components/schemas/Problem"},
                {"properties": {"code": {"enum": codes}}},
            ],
        }));
    }
    if with_fields {
        says.insert(0, "Fields that are wrong.".into());
        schemas.push(json!({"$ref": "#/components/schemas/FieldErrors"}));
    }
    let schema = match <[Value; 1]>::try_from(schemas) {
        Ok([schema]) => schema,
        Err(schemas) => json!({"anyOf": schemas}),
    };
    let mut response = json!({
        "description": says.join("\n\n"),
        "content": {wire::JSON: {"schema": schema}},
    });
    match status {
        StatusCode::UNAUTHORIZED => {
            response["headers"]["WWW-Authenticate"] = text_header("`Bearer realm=\"api\"`.");
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            response["headers"]["Retry-After"] = text_header("Seconds to wait before another try.");
        }
        _ => {}
    }
    response
}
