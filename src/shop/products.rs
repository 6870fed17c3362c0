//! Products and their categories: what may be offered, at what price.

use serde::{Deserialize, Serialize};

use super::ids::{CategoryId, ProductId};
use super::money::{Money, MoneyError};
use super::text::{self, TextError};
use super::time::Timestamp;

pub const TITLE_MAX: usize = 255;
pub const DESCRIPTION_MAX: usize = 20_000;
pub const CATEGORY_NAME_MAX: usize = 30;
/// Pieces one request may name; a cart line and a product's stock alike.
pub const QUANTITY_MAX: u32 = 2_147_483_647;
pub const PRICE_MAX: Money = Money::from_cents(9_999_999_999);

/// What is offered. Its stock is kept apart, so that selling a piece leaves the product untouched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: ProductId,
    pub title: String,
    pub category: CategoryId,
    pub description: String,
    pub price: Price,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    pub id: CategoryId,
    pub name: CategoryName,
}

/// More than zero, at most 99,999,999.99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Price(Money);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceError {
    Money(MoneyError),
    NotAboveZero,
    TooHigh,
}

impl Price {
    pub fn new(money: Money) -> Result<Self, PriceError> {
        if money <= Money::ZERO {
            Err(PriceError::NotAboveZero)
        } else if money > PRICE_MAX {
            Err(PriceError::TooHigh)
        } else {
            Ok(Self(money))
        }
    }

    pub fn parse(text: &str) -> Result<Self, PriceError> {
        Self::new(Money::parse(text).map_err(PriceError::Money)?)
    }

    pub fn money(self) -> Money {
        self.0
    }
}

/// 1 to 30 characters, unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryName(String);

impl CategoryName {
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Ok(Self(text::line(text, CATEGORY_NAME_MAX)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

pub fn title(text: &str) -> Result<String, TextError> {
    text::line(text, TITLE_MAX)
}

pub fn description(text: &str) -> Result<String, TextError> {
    text::optional_line(text, DESCRIPTION_MAX)
}

/// A product about to be offered, each part already well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub title: String,
    pub description: String,
    pub price: Price,
    pub quantity: u32,
}

/// What an edit names; what it does not name stays, stock above all.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    pub title: Option<String>,
    /// Found by its name or made.
    pub category: Option<CategoryName>,
    pub description: Option<String>,
    pub price: Option<Price>,
    pub quantity: Option<u32>,
}

/// The product that a draft becomes; its quantity goes on the shelf beside it.
pub fn offer(draft: &Draft, category: CategoryId, id: ProductId, now: Timestamp) -> Product {
    Product {
        id,
        title: draft.title.clone(),
        category,
        description: draft.description.clone(),
        price: draft.price,
        created_at: now,
    }
}

/// The product after an edit; `category` is the one that the edit names, found or made.
pub fn edit(product: &Product, edit: &Edit, category: Option<CategoryId>) -> Product {
    Product {
        id: product.id,
        title: edit.title.clone().unwrap_or_else(|| product.title.clone()),
        category: category.unwrap_or(product.category),
        description: edit
            .description
            .clone()
            .unwrap_or_else(|| product.description.clone()),
        price: edit.price.unwrap_or(product.price),
        created_at: product.created_at,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CategoryRefusal {
    NotFound,
    /// Another category has this name.
    NameTaken,
    /// Products are still in it.
    NotEmpty,
}

/// Whether a category may take a name that `holder` has.
pub fn name_category(
    id: CategoryId,
    name: CategoryName,
    holder: Option<CategoryId>,
) -> Result<Category, CategoryRefusal> {
    match holder {
        Some(holder) if holder != id => Err(CategoryRefusal::NameTaken),
        _ => Ok(Category { id, name }),
    }
}

/// A category is taken away when nothing is in it.
pub fn delete_category(
    category: Option<Category>,
    products: u64,
) -> Result<Category, CategoryRefusal> {
    let category = category.ok_or(CategoryRefusal::NotFound)?;
    if products > 0 {
        return Err(CategoryRefusal::NotEmpty);
    }
    Ok(category)
}

/// Which products a search asks for; `None` and the empty text mean any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Found anywhere in title or description, without regard to case.
    pub text: String,
    pub category: Option<CategoryId>,
    pub min_price: Option<Money>,
    pub max_price: Option<Money>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    Id,
    Price,
    PriceDescending,
    CreatedAt,
    CreatedAtDescending,
}

impl Filter {
    pub fn admits(&self, product: &Product) -> bool {
        self.admits_kind(product.category, product.price.money()) && self.text_matches(product)
    }

    /// Whether it asks for products of this category and price, whatever their texts.
    pub fn admits_kind(&self, category: CategoryId, price: Money) -> bool {
        self.category.is_none_or(|id| id == category)
            && self.min_price.is_none_or(|min| price >= min)
            && self.max_price.is_none_or(|max| price <= max)
    }

    fn text_matches(&self, product: &Product) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let needle = self.text.to_lowercase();
        [&product.title, &product.description]
            .into_iter()
            .any(|text| text.to_lowercase().contains(&needle))
    }
}

impl Ordering {
    /// Where a product stands: compared by this value, then by id, both ascending.
    pub fn rank(self, price: Money, created_at: Timestamp) -> i128 {
        let price = price.cents();
        let created_at = i128::from(created_at.0);
        match self {
            Self::Id => 0,
            Self::Price => price,
            Self::PriceDescending => price.saturating_neg(),
            Self::CreatedAt => created_at,
            Self::CreatedAtDescending => created_at.saturating_neg(),
        }
    }
}
