//! The wire's small types: amounts, moments, JSON replies.

use jiff::fmt::temporal::DateTimePrinter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::http::{Reply, StatusCode};
use crate::shop::money::Money;
use crate::shop::time::Timestamp;

pub const JSON: &str = "application/json";

pub fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).expect("views have text keys and no failing serializers");
    Reply::new(status, JSON, body)
}

/// Money as the wire has it: `"1200.00"`.
#[derive(Clone, Copy, Debug)]
pub struct Amount(pub Money);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Money with two decimals.",
            "pattern": r"^\d+\.\d{2}$",
            "examples": ["1200.00"],
        })
    }
}

/// A moment as the wire has it: RFC 3339, UTC, microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let moment =
            jiff::Timestamp::from_microsecond(self.0.0).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&PRINTER.timestamp_to_string(&moment))
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "A moment in UTC with microseconds (RFC 3339).",
            "examples": ["2026-02-11T09:42:03.051112Z"],
        })
    }
}
