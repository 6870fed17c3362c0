//! Products, their stock and their categories on the disk.

use std::collections::{BTreeMap, HashMap};

use super::outbox::ProductChange;
use super::pages::{self, Direction};
use super::tables::{
    CATEGORIES, CATEGORY_NAMES, COMMENTS, COMMENTS_ON, Counter, PRODUCTS, PRODUCTS_IN, Read, STOCK,
    Transaction,
};
use super::{Page, PageAsk, Place, Store, StoreError};
use crate::shop::ids::{CategoryId, CommentId, ProductId};
use crate::shop::orders::Stock;
use crate::shop::products::{
    self, Category, CategoryName, CategoryRefusal, Draft, Edit, Filter, Ordering, Product,
};
use crate::shop::time::Timestamp;

/// A product as a customer sees it: with its category's name and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedProduct {
    pub product: Product,
    pub category: CategoryName,
    pub stock: Stock,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCategory {
    pub category: Category,
    pub products: u64,
}

/// A row of an import.
#[derive(Clone, Debug)]
pub enum ImportRow {
    /// A new product, its category found by its name or made.
    Offer(Draft, CategoryName),
    Edit(ProductId, Edit),
}

impl Store {
    pub fn product(&self, id: ProductId) -> Result<Option<ListedProduct>, StoreError> {
        listed(&self.snapshot()?, id)
    }

    /// Products by their ids, in that order; those that are gone are left out.
    pub fn products_of(&self, ids: &[ProductId]) -> Result<Vec<ListedProduct>, StoreError> {
        let view = self.snapshot()?;
        let mut names = CategoryNames::default();
        let mut products = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(product) = view.get(&PRODUCTS, id)? {
                products.push(names.list(&view, product)?);
            }
        }
        Ok(products)
    }

    pub fn has_product(&self, id: ProductId) -> Result<bool, StoreError> {
        Ok(self.snapshot()?.get(&STOCK, &id)?.is_some())
    }

    pub fn products(&self, ask: PageAsk) -> Result<Page<ListedProduct>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::Products)?;
        let mut names = CategoryNames::default();
        let order = Direction::OldestFirst;
        pages::page(&view, &PRODUCTS, ProductId, order, ask, total, |_, row| {
            names.list(&view, row)
        })
    }

    /// Every product that the filter admits, found by reading all of them (or all of a category):
    /// work that grows with the catalogue, for a thread that may take its time.
    pub fn scan_products(
        &self,
        filter: &Filter,
        ordering: Ordering,
        ask: PageAsk,
    ) -> Result<Page<ListedProduct>, StoreError> {
        let view = self.snapshot()?;
        let mut found = BTreeMap::new();
        let mut total = 0;
        let mut admit = |product: Product| {
            if !filter.admits(&product) {
                return;
            }
            total += 1;
            let rank = ordering.rank(product.price.money(), product.created_at);
            let id = product.id.0;
            let place = Place { rank, id };
            if ask.after.is_none_or(|after| place > after) {
                found.insert(place, product);
            }
            if found.len() > ask.limit + 1 {
                found.pop_last(); // One more than the page tells that there is more.
            }
        };
        if let Some(category) = filter.category {
            let all = (category, ProductId(0))..=(category, ProductId(u64::MAX));
            for entry in view.range(&PRODUCTS_IN, all)? {
                admit(view.must_get(&PRODUCTS, &entry?.0.1)?);
            }
        } else {
            for entry in view.range(&PRODUCTS, ..)? {
                admit(entry?.1);
            }
        }

        let mut names = CategoryNames::default();
        let mut rest = found.into_iter();
        let mut last = None;
        let mut rows = Vec::new();
        for (place, product) in rest.by_ref().take(ask.limit) {
            last = Some(place);
            rows.push(names.list(&view, product)?);
        }
        let next = rest.next().and(last);
        Ok(Page { rows, next, total })
    }

    /// `None` when there is no such category.
    pub async fn offer(
        &self,
        draft: Draft,
        category: CategoryId,
        now: Timestamp,
    ) -> Result<Option<ListedProduct>, StoreError> {
        self.write(move |tx| {
            let Some(found) = tx.get(&CATEGORIES, &category)? else {
                return Ok(None);
            };
            let product = tx.offer(&draft, category, now)?;
            Ok(Some(ListedProduct {
                product,
                category: found.name,
                stock: Stock(u64::from(draft.quantity)),
            }))
        })
        .await
    }

    /// `None` when there is no such product.
    pub async fn edit_product(
        &self,
        id: ProductId,
        edit: Edit,
    ) -> Result<Option<ListedProduct>, StoreError> {
        self.write(move |tx| {
            let Some(before) = tx.get(&PRODUCTS, &id)? else {
                return Ok(None);
            };
            tx.edit(&before, &edit)?;
            listed(tx, id)
        })
        .await
    }

    /// Takes a product out of the shop, with its comments. Orders keep its title and price; carts
    /// leave it out from now on. `false` when there is no such product.
    pub async fn withdraw(&self, id: ProductId) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let Some(product): Option<Product> = tx.get(&PRODUCTS, &id)? else {
                return Ok(false);
            };
            tx.remove_comments_on(id)?;
            tx.remove(&PRODUCTS, &id)?;
            tx.remove(&STOCK, &id)?;
            tx.remove(&PRODUCTS_IN, &(product.category, id))?;
            tx.take_one(Counter::Products)?;
            tx.take_one(Counter::ProductsIn(product.category))?;
            tx.note(ProductChange::Gone(id))?;
            Ok(true)
        })
        .await
    }

    pub fn categories(&self, ask: PageAsk) -> Result<Page<ListedCategory>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::Categories)?;
        let order = Direction::OldestFirst;
        pages::page(
            &view,
            &CATEGORIES,
            CategoryId,
            order,
            ask,
            total,
            |id, category| {
                let products = view.count(Counter::ProductsIn(id))?;
                Ok(ListedCategory { category, products })
            },
        )
    }

    /// The names of those categories that are there.
    pub fn category_names(
        &self,
        ids: &[CategoryId],
    ) -> Result<Vec<(CategoryId, CategoryName)>, StoreError> {
        let view = self.snapshot()?;
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            let category: Option<Category> = view.get(&CATEGORIES, id)?;
            names.extend(category.map(|category| (*id, category.name)));
        }
        Ok(names)
    }

    pub fn has_category(&self, id: CategoryId) -> Result<bool, StoreError> {
        Ok(self.snapshot()?.get(&CATEGORIES, &id)?.is_some())
    }

    pub async fn create_category(
        &self,
        name: CategoryName,
    ) -> Result<Result<Category, CategoryRefusal>, StoreError> {
        self.write(move |tx| {
            let id = CategoryId(tx.count(Counter::LastCategory)? + 1);
            let holder = tx.get(&CATEGORY_NAMES, &name.key())?;
            let category = match products::name_category(id, name, holder) {
                Ok(category) => category,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.put_new_category(&category)?;
            Ok(Ok(category))
        })
        .await
    }

    pub async fn rename_category(
        &self,
        id: CategoryId,
        name: Option<CategoryName>,
    ) -> Result<Result<ListedCategory, CategoryRefusal>, StoreError> {
        self.write(move |tx| {
            let Some(before): Option<Category> = tx.get(&CATEGORIES, &id)? else {
                return Ok(Err(CategoryRefusal::NotFound));
            };
            let name = name.unwrap_or_else(|| before.name.clone());
            let holder = tx.get(&CATEGORY_NAMES, &name.key())?;
            let category = match products::name_category(id, name, holder) {
                Ok(category) => category,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.remove(&CATEGORY_NAMES, &before.name.key())?;
            tx.put(&CATEGORY_NAMES, &category.name.key(), &id)?;
            tx.put(&CATEGORIES, &id, &category)?;
            let products = tx.count(Counter::ProductsIn(id))?;
            Ok(Ok(ListedCategory { category, products }))
        })
        .await
    }

    pub async fn delete_category(
        &self,
        id: CategoryId,
    ) -> Result<Result<(), CategoryRefusal>, StoreError> {
        self.write(move |tx| {
            let products = tx.count(Counter::ProductsIn(id))?;
            let category = match products::delete_category(tx.get(&CATEGORIES, &id)?, products) {
                Ok(category) => category,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.remove(&CATEGORY_NAMES, &category.name.key())?;
            tx.remove(&CATEGORIES, &id)?;
            tx.take_one(Counter::Categories)?;
            Ok(Ok(()))
        })
        .await
    }

    /// Writes rows of an import, all of them or none.
    pub async fn import(&self, rows: Vec<ImportRow>, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| tx.import(&rows, now)).await
    }

    /// Hands every product to `each`, by id, from one moment.
    pub fn each_product<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(ListedProduct) -> Result<(), E>,
    ) -> Result<(), E> {
        let view = self.snapshot()?;
        let mut names = CategoryNames::default();
        for entry in view.range(&PRODUCTS, ..)? {
            each(names.list(&view, entry?.1)?)?;
        }
        Ok(())
    }

    /// Products offered in all.
    pub fn product_count(&self) -> Result<u64, StoreError> {
        self.snapshot()?.count(Counter::Products)
    }
}

fn listed(view: &impl Read, id: ProductId) -> Result<Option<ListedProduct>, StoreError> {
    match view.get(&PRODUCTS, &id)? {
        Some(product) => CategoryNames::default().list(view, product).map(Some),
        None => Ok(None),
    }
}

/// Names of categories met so far, so that a page reads each once.
#[derive(Default)]
pub(super) struct CategoryNames(HashMap<CategoryId, CategoryName>);

impl CategoryNames {
    pub(super) fn list(
        &mut self,
        view: &impl Read,
        product: Product,
    ) -> Result<ListedProduct, StoreError> {
        let category = if let Some(name) = self.0.get(&product.category) {
            name.clone()
        } else {
            let category = view.must_get(&CATEGORIES, &product.category)?;
            self.0.insert(product.category, category.name.clone());
            category.name
        };
        let stock = view.must_get(&STOCK, &product.id)?;
        Ok(ListedProduct {
            product,
            category,
            stock,
        })
    }
}

impl Transaction<'_> {
    fn offer(
        &mut self,
        draft: &Draft,
        category: CategoryId,
        now: Timestamp,
    ) -> Result<Product, StoreError> {
        let id = ProductId(self.count(Counter::LastProduct)? + 1);
        let product = products::offer(draft, category, id, now);
        self.put_new_product(&product, Stock(u64::from(draft.quantity)))?;
        Ok(product)
    }

    pub(super) fn put_new_product(
        &mut self,
        product: &Product,
        stock: Stock,
    ) -> Result<(), StoreError> {
        let Product { id, category, .. } = product;
        self.set_count(Counter::LastProduct, id.0)?;
        self.add_one(Counter::Products)?;
        self.add_one(Counter::ProductsIn(*category))?;
        self.put(&PRODUCTS_IN, &(*category, *id), &())?;
        self.put(&STOCK, id, &stock)?;
        self.put_product(product)
    }

    fn edit(&mut self, before: &Product, edit: &Edit) -> Result<(), StoreError> {
        let category = match &edit.category {
            Some(name) => Some(self.category_named(name)?),
            None => None,
        };
        let after = products::edit(before, edit, category);
        if after.category != before.category {
            self.remove(&PRODUCTS_IN, &(before.category, before.id))?;
            self.take_one(Counter::ProductsIn(before.category))?;
            self.put(&PRODUCTS_IN, &(after.category, after.id), &())?;
            self.add_one(Counter::ProductsIn(after.category))?;
        }
        if after != *before {
            self.put_product(&after)?;
        }
        // Stock moves only when the edit names it.
        if let Some(quantity) = edit.quantity {
            self.put(&STOCK, &before.id, &Stock(u64::from(quantity)))?;
        }
        Ok(())
    }

    /// Writes a product and its outbox row together.
    fn put_product(&mut self, product: &Product) -> Result<(), StoreError> {
        self.put(&PRODUCTS, &product.id, product)?;
        self.note(ProductChange::Put(product.id))
    }

    /// The category of that name, found or made.
    fn category_named(&mut self, name: &CategoryName) -> Result<CategoryId, StoreError> {
        if let Some(id) = self.get(&CATEGORY_NAMES, &name.key())? {
            return Ok(id);
        }
        let id = CategoryId(self.count(Counter::LastCategory)? + 1);
        let name = name.clone();
        self.put_new_category(&Category { id, name })?;
        Ok(id)
    }

    pub(super) fn put_new_category(&mut self, category: &Category) -> Result<(), StoreError> {
        self.set_count(Counter::LastCategory, category.id.0)?;
        self.add_one(Counter::Categories)?;
        self.put(&CATEGORY_NAMES, &category.name.key(), &category.id)?;
        self.put(&CATEGORIES, &category.id, category)
    }

    pub(super) fn import(&mut self, rows: &[ImportRow], now: Timestamp) -> Result<(), StoreError> {
        rows.iter().try_for_each(|row| self.import_row(row, now))
    }

    fn import_row(&mut self, row: &ImportRow, now: Timestamp) -> Result<(), StoreError> {
        match row {
            ImportRow::Offer(draft, category) => {
                let category = self.category_named(category)?;
                self.offer(draft, category, now)?;
                Ok(())
            }
            ImportRow::Edit(id, edit) => {
                let before = self.must_get(&PRODUCTS, id)?;
                self.edit(&before, edit)
            }
        }
    }

    fn remove_comments_on(&mut self, product: ProductId) -> Result<(), StoreError> {
        let all = (product, CommentId(0))..=(product, CommentId(u64::MAX));
        let entries: Vec<_> = self.range(&COMMENTS_ON, all)?.collect::<Result<_, _>>()?;
        for ((_, id), ()) in entries {
            let comment = self.must_get(&COMMENTS, &id)?;
            self.remove_comment(&comment)?;
        }
        self.forget_count(Counter::CommentsOn(product))
    }
}
