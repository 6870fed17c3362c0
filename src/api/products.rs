//! Products, categories and the search for them.

use schemars::JsonSchema;
use serde::Serialize;

use super::Parts;
use super::fault::{Known, NOT_FOUND, Never, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::{CATEGORY_ID, CATEGORY_NAME, DESCRIPTION, PriceKind, QUANTITY, TITLE};
use super::list::{Listing, PageFields};
use super::route::{
    Admin, Answer, Anyone, At, Body, Created, Ctx, Findable, Id, Json, NoContent, Query,
};
use super::wire::{Amount, Moment};
use crate::http::{StatusCode, limits};
use crate::shop::ids::{CategoryId, ProductId};
use crate::shop::products::{CategoryName, CategoryRefusal, Draft, Edit};
use crate::shop::users::Account;
use crate::store::{ListedCategory, ListedProduct, StoreError};

#[derive(Serialize, JsonSchema)]
pub struct ProductView {
    id: u64,
    title: String,
    /// The category's name.
    category: String,
    quantity: u64,
    description: String,
    price: Amount,
    created_at: Moment,
}

impl From<ListedProduct> for ProductView {
    fn from(listed: ListedProduct) -> Self {
        let ListedProduct {
            product,
            category,
            stock,
        } = listed;
        Self {
            id: product.id.0,
            title: product.title,
            category: category.as_str().to_owned(),
            quantity: stock.0,
            description: product.description,
            price: Amount(product.price.money()),
            created_at: Moment(product.created_at),
        }
    }
}

pub async fn list(
    ctx: Ctx<Anyone>,
    Query(PageFields(ask)): Query<PageFields>,
) -> Answer<Listing<ProductView>, Never> {
    let store = ctx.store.clone();
    let page = ctx.page(ask.limit, move || store.products(ask)).await?;
    Ok(Listing(page.map(ProductView::from)))
}

pub async fn detail(
    ctx: Ctx<Anyone>,
    Id(id): Id<ProductId>,
) -> Answer<Json<ProductView>, NoProduct> {
    let listed = ctx.store.product(id)?.ok_or(NoProduct)?;
    Ok(Json(listed.into()))
}

/// There is no such product.
#[derive(Debug)]
pub struct NoProduct;

impl Refuse for NoProduct {
    const KNOWN: &'static [&'static Known] = &[&NOT_FOUND];

    fn problem(self) -> Problem {
        Problem::new(&NOT_FOUND).saying("There is no such product.")
    }
}

impl<C> Findable<C> for ProductId {
    const KNOWN: &'static [&'static Known] = &[];

    fn find(self, ctx: &Ctx<C>) -> Result<(), Problem> {
        if ctx.store.has_product(self)? {
            Ok(())
        } else {
            Err(NoProduct.problem())
        }
    }
}

pub struct NewProduct {
    draft: Draft,
    category: CategoryId,
}

impl Fields for NewProduct {
    const BODY_MAX_BYTES: usize = limits::LONG_BODY_MAX_BYTES;

    fn read(form: &mut Form<'_>) -> Option<Self> {
        let title = form.required("title", &TITLE);
        let category = form.required("category", &CATEGORY_ID);
        let quantity = form.required("quantity", &QUANTITY);
        let description = form.optional("description", &DESCRIPTION);
        let price = form.required("price", &PriceKind);
        Some(Self {
            draft: Draft {
                title: title?,
                description: description?.unwrap_or_default(),
                price: price?,
                quantity: quantity?,
            },
            category: category?,
        })
    }

    fn look_up(form: &mut Form<'_>, parts: &Parts, _: Option<&Account>) -> Result<(), StoreError> {
        if let Some(category) = form.peek("category", &CATEGORY_ID)
            && !parts.store.has_category(category)?
        {
            form.note("category", NO_SUCH_CATEGORY);
        }
        Ok(())
    }
}

#[derive(Serialize, JsonSchema)]
pub struct CreatedProduct {
    title: String,
    /// The category's id.
    category: u64,
    quantity: u64,
    description: String,
    price: Amount,
    id: u64,
    created_at: Moment,
}

pub async fn create(
    ctx: Ctx<Admin>,
    Body(new): Body<NewProduct>,
) -> Answer<Created<CreatedProduct>, NoSuchCategory> {
    let offered = ctx.store.offer(new.draft, new.category, ctx.now).await?;
    let ListedProduct { product, stock, .. } = offered.ok_or(NoSuchCategory)?;
    Ok(Created(CreatedProduct {
        title: product.title,
        category: product.category.0,
        quantity: stock.0,
        description: product.description,
        price: Amount(product.price.money()),
        id: product.id.0,
        created_at: Moment(product.created_at),
    }))
}

const NO_SUCH_CATEGORY: &str = "There is no category of that id.";

/// The category that a new product names went away while it was made.
#[derive(Debug)]
pub struct NoSuchCategory;

impl Refuse for NoSuchCategory {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        Problem::field("category", NO_SUCH_CATEGORY)
    }
}

impl Fields for Edit {
    const BODY_MAX_BYTES: usize = limits::LONG_BODY_MAX_BYTES;

    fn read(form: &mut Form<'_>) -> Option<Self> {
        let title = form.optional("title", &TITLE);
        let category = form.optional("category", &CATEGORY_NAME);
        let description = form.optional("description", &DESCRIPTION);
        let price = form.optional("price", &PriceKind);
        let quantity = form.optional("quantity", &QUANTITY);
        Some(Self {
            title: title?,
            category: category?,
            description: description?,
            price: price?,
            quantity: quantity?,
        })
    }
}

pub async fn edit(
    ctx: Ctx<Admin>,
    (At(id), Body(edit)): (At<ProductId>, Body<Edit>),
) -> Answer<Json<ProductView>, NoProduct> {
    let edited = ctx.store.edit_product(id, edit).await?.ok_or(NoProduct)?;
    Ok(Json(edited.into()))
}

pub async fn withdraw(ctx: Ctx<Admin>, Id(id): Id<ProductId>) -> Answer<NoContent, NoProduct> {
    if ctx.store.withdraw(id).await? {
        Ok(NoContent)
    } else {
        Err(NoProduct.into())
    }
}

#[derive(Serialize, JsonSchema)]
pub struct CategoryView {
    id: u64,
    name: String,
    /// How many products are in it.
    products: u64,
}

impl From<ListedCategory> for CategoryView {
    fn from(listed: ListedCategory) -> Self {
        let ListedCategory { category, products } = listed;
        Self {
            id: category.id.0,
            name: category.name.as_str().to_owned(),
            products,
        }
    }
}

pub async fn list_categories(
    ctx: Ctx<Anyone>,
    Query(PageFields(ask)): Query<PageFields>,
) -> Answer<Listing<CategoryView>, Never> {
    let store = ctx.store.clone();
    let page = ctx.page(ask.limit, move || store.categories(ask)).await?;
    Ok(Listing(page.map(CategoryView::from)))
}

pub struct NewCategory(CategoryName);

impl Fields for NewCategory {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.required("name", &CATEGORY_NAME).map(Self)
    }
}

#[derive(Serialize, JsonSchema)]
pub struct CreatedCategory {
    name: String,
    id: u64,
}

pub async fn create_category(
    ctx: Ctx<Admin>,
    Body(NewCategory(name)): Body<NewCategory>,
) -> Answer<Created<CreatedCategory>, CategoryRefusal> {
    let category = ctx.store.create_category(name).await??;
    Ok(Created(CreatedCategory {
        name: category.name.as_str().to_owned(),
        id: category.id.0,
    }))
}

pub struct CategoryEdit(Option<CategoryName>);

impl Fields for CategoryEdit {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.optional("name", &CATEGORY_NAME).map(Self)
    }
}

impl<C> Findable<C> for CategoryId {
    const KNOWN: &'static [&'static Known] = &[];

    fn find(self, ctx: &Ctx<C>) -> Result<(), Problem> {
        if ctx.store.has_category(self)? {
            Ok(())
        } else {
            Err(CategoryRefusal::NotFound.problem())
        }
    }
}

pub async fn rename_category(
    ctx: Ctx<Admin>,
    (At(id), Body(CategoryEdit(name))): (At<CategoryId>, Body<CategoryEdit>),
) -> Answer<Json<CategoryView>, CategoryRefusal> {
    let category = ctx.store.rename_category(id, name).await??;
    Ok(Json(category.into()))
}

pub async fn delete_category(
    ctx: Ctx<Admin>,
    Id(id): Id<CategoryId>,
) -> Answer<NoContent, CategoryRefusal> {
    ctx.store.delete_category(id).await??;
    Ok(NoContent)
}

const CATEGORY_NOT_EMPTY: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "category_not_empty",
    "Products are still in this category; move or delete them first.",
);

impl Refuse for CategoryRefusal {
    const KNOWN: &'static [&'static Known] = &[&CATEGORY_NOT_EMPTY];

    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::new(&NOT_FOUND).saying("There is no such category."),
            Self::NameTaken => Problem::field("name", "A category of this name exists."),
            Self::NotEmpty => Problem::new(&CATEGORY_NOT_EMPTY),
        }
    }
}
