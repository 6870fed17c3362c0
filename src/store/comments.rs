//! Comments on the disk: by id, by product, by author.

use std::collections::HashMap;

use super::pages::{self, Direction};
use super::tables::{
    ACCOUNTS, COMMENTS, COMMENTS_BY, COMMENTS_ON, Counter, Read, STOCK, Transaction,
};
use super::{Page, PageAsk, Store, StoreError};
use crate::shop::comments::{self, Comment, Refusal};
use crate::shop::ids::{CommentId, ProductId, UserId};
use crate::shop::time::Timestamp;
use crate::shop::users::Account;

/// A comment with its author's username.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedComment {
    pub comment: Comment,
    pub username: String,
}

impl Store {
    pub fn comment(&self, id: CommentId) -> Result<Option<Comment>, StoreError> {
        self.snapshot()?.get(&COMMENTS, &id)
    }

    pub fn comments_on(
        &self,
        product: ProductId,
        ask: PageAsk,
    ) -> Result<Page<SignedComment>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::CommentsOn(product))?;
        let key = |id| (product, CommentId(id));
        let order = Direction::OldestFirst;
        let mut names = Usernames::default();
        pages::page(
            &view,
            &COMMENTS_ON,
            key,
            order,
            ask,
            total,
            |(_, id), ()| names.sign(&view, view.must_get(&COMMENTS, &id)?),
        )
    }

    pub fn comments_by(
        &self,
        user: UserId,
        ask: PageAsk,
    ) -> Result<Page<SignedComment>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::CommentsBy(user))?;
        let key = |id| (user, CommentId(id));
        let order = Direction::OldestFirst;
        let mut names = Usernames::default();
        pages::page(
            &view,
            &COMMENTS_BY,
            key,
            order,
            ask,
            total,
            |(_, id), ()| names.sign(&view, view.must_get(&COMMENTS, &id)?),
        )
    }

    pub fn all_comments(&self, ask: PageAsk) -> Result<Page<SignedComment>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::Comments)?;
        let order = Direction::OldestFirst;
        let mut names = Usernames::default();
        pages::page(&view, &COMMENTS, CommentId, order, ask, total, |_, row| {
            names.sign(&view, row)
        })
    }

    /// `None` when there is no such product.
    pub async fn comment_on(
        &self,
        product: ProductId,
        user: UserId,
        text: String,
        now: Timestamp,
    ) -> Result<Option<SignedComment>, StoreError> {
        self.write(move |tx| {
            if tx.get(&STOCK, &product)?.is_none() {
                return Ok(None);
            }
            let id = CommentId(tx.count(Counter::LastComment)? + 1);
            let comment = Comment {
                id,
                product,
                user,
                text,
                created_at: now,
                updated_at: now,
            };
            tx.put_new_comment(&comment)?;
            Usernames::default().sign(tx, comment).map(Some)
        })
        .await
    }

    pub async fn edit_comment(
        &self,
        id: CommentId,
        user: UserId,
        text: Option<String>,
        now: Timestamp,
    ) -> Result<Result<SignedComment, Refusal>, StoreError> {
        self.write(move |tx| {
            let comment = match comments::edit(tx.get(&COMMENTS, &id)?, user, text, now) {
                Ok(comment) => comment,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.put(&COMMENTS, &id, &comment)?;
            Usernames::default().sign(tx, comment).map(Ok)
        })
        .await
    }

    pub async fn delete_comment(
        &self,
        id: CommentId,
        user: UserId,
        is_admin: bool,
    ) -> Result<Result<(), Refusal>, StoreError> {
        self.write(
            move |tx| match comments::delete(tx.get(&COMMENTS, &id)?, user, is_admin) {
                Ok(comment) => tx.remove_comment(&comment).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            },
        )
        .await
    }
}

impl Transaction<'_> {
    pub(super) fn put_new_comment(&mut self, comment: &Comment) -> Result<(), StoreError> {
        let Comment {
            id, product, user, ..
        } = comment;
        self.set_count(Counter::LastComment, id.0)?;
        self.add_one(Counter::Comments)?;
        self.add_one(Counter::CommentsOn(*product))?;
        self.add_one(Counter::CommentsBy(*user))?;
        self.put(&COMMENTS_ON, &(*product, *id), &())?;
        self.put(&COMMENTS_BY, &(*user, *id), &())?;
        self.put(&COMMENTS, id, comment)
    }

    pub(super) fn remove_comment(&mut self, comment: &Comment) -> Result<(), StoreError> {
        let Comment {
            id, product, user, ..
        } = comment;
        self.remove(&COMMENTS, id)?;
        self.remove(&COMMENTS_ON, &(*product, *id))?;
        self.remove(&COMMENTS_BY, &(*user, *id))?;
        self.take_one(Counter::Comments)?;
        self.take_one(Counter::CommentsOn(*product))?;
        self.take_one(Counter::CommentsBy(*user))
    }
}

/// Usernames met so far, so that a page reads each account once.
#[derive(Default)]
struct Usernames(HashMap<UserId, String>);

impl Usernames {
    fn sign(&mut self, view: &impl Read, comment: Comment) -> Result<SignedComment, StoreError> {
        let username = if let Some(name) = self.0.get(&comment.user) {
            name.clone()
        } else {
            let account: Account = view.must_get(&ACCOUNTS, &comment.user)?;
            let name = account.username.as_str().to_owned();
            self.0.insert(comment.user, name.clone());
            name
        };
        Ok(SignedComment { comment, username })
    }
}
