//! Comments on products.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Known, NOT_FOUND, Never, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::COMMENT;
use super::list::{Listing, PageFields};
use super::products::NoProduct;
use super::route::{
    Answer, Anyone, At, Body, Created, Ctx, Findable, Id, Json, NoContent, Query, User,
};
use super::wire::Moment;
use crate::http::StatusCode;
use crate::shop::comments::{self, Refusal};
use crate::shop::ids::{CommentId, ProductId};
use crate::store::SignedComment;

#[derive(Serialize, JsonSchema)]
pub struct CommentView {
    id: u64,
    /// The author's username.
    user: String,
    user_id: u64,
    product: u64,
    text: String,
    created_at: Moment,
    updated_at: Moment,
}

impl From<SignedComment> for CommentView {
    fn from(signed: SignedComment) -> Self {
        let SignedComment { comment, username } = signed;
        Self {
            id: comment.id.0,
            user: username,
            user_id: comment.user.0,
            product: comment.product.0,
            text: comment.text,
            created_at: Moment(comment.created_at),
            updated_at: Moment(comment.updated_at),
        }
    }
}

pub async fn on_product(
    ctx: Ctx<Anyone>,
    (At(product), Query(PageFields(ask))): (At<ProductId>, Query<PageFields>),
) -> Answer<Listing<CommentView>, Never> {
    let store = ctx.store.clone();
    let page = ctx
        .page(ask.limit, move || store.comments_on(product, ask))
        .await?;
    Ok(Listing(page.map(CommentView::from)))
}

pub struct NewComment(String);

impl Fields for NewComment {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.required("text", &COMMENT).map(Self)
    }
}

pub async fn create(
    ctx: Ctx<User>,
    (At(product), Body(NewComment(text))): (At<ProductId>, Body<NewComment>),
) -> Answer<Created<CommentView>, NoProduct> {
    let user = ctx.caller.id;
    let said = ctx.store.comment_on(product, user, text, ctx.now).await?;
    Ok(Created(said.ok_or(NoProduct)?.into()))
}

/// A comment that the caller may change: found, and their own.
impl Findable<User> for CommentId {
    const KNOWN: &'static [&'static Known] = &[&NOT_YOUR_COMMENT];

    fn find(self, ctx: &Ctx<User>) -> Result<(), Problem> {
        let own = comments::own(ctx.store.comment(self)?, ctx.caller.id);
        own.map(|_| ()).map_err(Refusal::problem)
    }
}

pub async fn replace(
    ctx: Ctx<User>,
    (At(id), Body(NewComment(text))): (At<CommentId>, Body<NewComment>),
) -> Answer<Json<CommentView>, Refusal> {
    change(ctx, id, Some(text)).await
}

pub struct CommentEdit(Option<String>);

impl Fields for CommentEdit {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.optional("text", &COMMENT).map(Self)
    }
}

pub async fn edit(
    ctx: Ctx<User>,
    (At(id), Body(CommentEdit(text))): (At<CommentId>, Body<CommentEdit>),
) -> Answer<Json<CommentView>, Refusal> {
    change(ctx, id, text).await
}

async fn change(
    ctx: Ctx<User>,
    id: CommentId,
    text: Option<String>,
) -> Answer<Json<CommentView>, Refusal> {
    let user = ctx.caller.id;
    let edited = ctx.store.edit_comment(id, user, text, ctx.now).await??;
    Ok(Json(edited.into()))
}

pub async fn delete(ctx: Ctx<User>, Id(id): Id<CommentId>) -> Answer<NoContent, Refusal> {
    let (user, is_admin) = (ctx.caller.id, ctx.caller.is_admin);
    ctx.store.delete_comment(id, user, is_admin).await??;
    Ok(NoContent)
}

pub async fn own(
    ctx: Ctx<User>,
    Query(PageFields(ask)): Query<PageFields>,
) -> Answer<Listing<CommentView>, Never> {
    let (store, user, is_admin) = (ctx.store.clone(), ctx.caller.id, ctx.caller.is_admin);
    let page = ctx.page(ask.limit, move || {
        if is_admin {
            store.all_comments(ask)
        } else {
            store.comments_by(user, ask)
        }
    });
    Ok(Listing(page.await?.map(CommentView::from)))
}

const NOT_YOUR_COMMENT: Known = Known::new(
    StatusCode::FORBIDDEN,
    "not_your_comment",
    "This comment is somebody else's.",
);

impl Refuse for Refusal {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND, &NOT_YOUR_COMMENT];

    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::new(&NOT_FOUND).saying("There is no such comment."),
            Self::NotYours => Problem::new(&NOT_YOUR_COMMENT),
        }
    }
}
