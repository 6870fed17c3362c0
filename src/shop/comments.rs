//! Comments on products: who may say, change and delete what.

use serde::{Deserialize, Serialize};

use super::ids::{CommentId, ProductId, UserId};
use super::text::{self, TextError};
use super::time::Timestamp;

pub const TEXT_MAX: usize = 150;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub id: CommentId,
    pub product: ProductId,
    pub user: UserId,
    pub text: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    NotYours,
}

pub fn text(text: &str) -> Result<String, TextError> {
    text::line(text, TEXT_MAX)
}

/// Only its author changes a comment.
pub fn own(comment: Option<Comment>, user: UserId) -> Result<Comment, Refusal> {
    let comment = comment.ok_or(Refusal::NotFound)?;
    if comment.user == user {
        Ok(comment)
    } else {
        Err(Refusal::NotYours)
    }
}

/// An edit that names no text still counts as one.
pub fn edit(
    comment: Option<Comment>,
    user: UserId,
    text: Option<String>,
    now: Timestamp,
) -> Result<Comment, Refusal> {
    let comment = own(comment, user)?;
    Ok(Comment {
        text: text.unwrap_or(comment.text),
        updated_at: now,
        ..comment
    })
}

/// Its author deletes a comment, or an admin.
pub fn delete(comment: Option<Comment>, user: UserId, is_admin: bool) -> Result<Comment, Refusal> {
    let comment = comment.ok_or(Refusal::NotFound)?;
    if comment.user == user || is_admin {
        Ok(comment)
    } else {
        Err(Refusal::NotYours)
    }
}
