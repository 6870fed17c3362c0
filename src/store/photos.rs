//! Photos: kept once by their content, as long as somebody shows them.

use super::tables::{ACCOUNTS, PHOTO_OWNERS, PHOTOS, PhotoKey, Read, Transaction};
use super::{Store, StoreError};
use crate::shop::ids::UserId;
use crate::shop::photos::Photo;
use crate::shop::users::Account;

/// A photo's name as a key of fixed length.
pub(super) fn key_of(name: &str) -> Result<PhotoKey, StoreError> {
    let digits = name.split('.').next().unwrap_or_default().as_bytes();
    let key = digits.try_into();
    key.map_err(|_| StoreError::missing(PHOTOS.name, name.as_bytes()))
}

impl Store {
    pub fn photo(&self, name: &str) -> Result<Option<Photo>, StoreError> {
        self.snapshot()?.get(&PHOTOS, &name.to_owned())
    }

    /// Shows a photo as somebody's own, in place of the one before.
    pub async fn set_photo(&self, user: UserId, photo: Photo) -> Result<Account, StoreError> {
        let name = photo.name();
        self.write(move |tx| {
            let mut account = tx.must_get(&ACCOUNTS, &user)?;
            if account.photo.as_ref() == Some(&name) {
                return Ok(account);
            }
            if let Some(before) = account.photo.replace(name.clone()) {
                tx.let_go_of_photo(user, &before)?;
            }
            tx.show_photo(user, &name, &photo)?;
            tx.put(&ACCOUNTS, &user, &account)?;
            Ok(account)
        })
        .await
    }
}

impl Transaction<'_> {
    pub(super) fn show_photo(
        &mut self,
        user: UserId,
        name: &String,
        photo: &Photo,
    ) -> Result<(), StoreError> {
        self.put(&PHOTO_OWNERS, &(key_of(name)?, user), &())?;
        self.put(&PHOTOS, name, photo)
    }

    fn let_go_of_photo(&mut self, user: UserId, name: &str) -> Result<(), StoreError> {
        let key = key_of(name)?;
        self.remove(&PHOTO_OWNERS, &(key, user))?;
        let others = (key, UserId(0))..=(key, UserId(u64::MAX));
        if self.range(&PHOTO_OWNERS, others)?.next().is_none() {
            self.remove(&PHOTOS, &name.to_owned())?;
        }
        Ok(())
    }
}
