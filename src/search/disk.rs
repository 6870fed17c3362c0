//! The index on the disk: tantivy's, in a folder of the shop, with how far it has come in the
//! payload of its last commit.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tantivy::directory::MmapDirectory;
use tantivy::index::SegmentId;
use tantivy::indexer::UserOperation;
use tantivy::{Index, ReloadPolicy, TantivyDocument, TantivyError};

use super::part::Part;
use super::schema::{self, Fields, Progress};
use crate::shop::ids::ProductId;
use crate::shop::products::Product;

/// Memory of a writer for the changes of a moment: the least that tantivy takes.
const SMALL_WRITER_BYTES: usize = 15_000_000;
/// Memory of a writer that builds the whole index.
const LARGE_WRITER_BYTES: usize = 60_000_000;

pub struct DiskIndex {
    index: Index,
    pub fields: Fields,
}

/// The parts of the index by their segments.
pub type Segments = Vec<(SegmentId, Part)>;

/// Why an index on the disk can't be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("there is none yet")]
    Missing,
    #[error("its files are damaged: {0}")]
    Damaged(String),
    #[error("it was built by another version of the program or for another store")]
    Foreign,
    #[error("it can't be opened")]
    Index(#[from] TantivyError),
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the folder of the index can't be made")]
    Folder(#[from] io::Error),
    #[error("the index can't be written")]
    Index(#[from] TantivyError),
}

/// Removes what is in a folder, and not the folder, which may be a mount of its own.
fn empty(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A change of the index.
pub enum Change {
    Put(Product),
    Gone(ProductId),
}

impl DiskIndex {
    /// Opens the index that follows this store, every file's checksum verified, and says how far
    /// it has come.
    pub fn open(folder: &Path, store: u64) -> Result<(Self, Progress), Unusable> {
        if !folder.join("meta.json").exists() {
            return Err(Unusable::Missing);
        }
        // Damage may hit where tantivy does not expect any.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_sound(folder, store)));
        opened.unwrap_or_else(|_| Err(Unusable::Damaged("reading them panicked".into())))
    }

    fn open_sound(folder: &Path, store: u64) -> Result<(Self, Progress), Unusable> {
        let index = Index::open_in_dir(folder)?;
        let metas = index.load_metas()?;
        // tantivy's own look at the checksums passes over files that its list of files forgot.
        let listed = index.directory().list_managed_files();
        for file in metas.list_segment_files() {
            if !folder.join(&file).exists() {
                continue; // Not every segment has every file.
            }
            let sound = index.directory().validate_checksum(&file);
            if !listed.contains(&file) || !sound.map_err(TantivyError::from)? {
                return Err(Unusable::Damaged(file.display().to_string()));
            }
        }
        let (schema, fields) = schema::schema();
        let payload = metas.payload.unwrap_or_default();
        let progress: Option<Progress> = payload.parse().ok();
        let progress =
            progress.filter(|progress| progress.is_of(store) && index.schema() == schema);
        let progress = progress.ok_or(Unusable::Foreign)?;
        schema::register_tokenizer(&index);
        Ok((Self { index, fields }, progress))
    }

    /// An empty index in the place of whatever is there.
    pub fn create(folder: &Path) -> Result<Self, BuildError> {
        empty(folder)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let (schema, fields) = schema::schema();
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        let index = Index::create(directory, schema, tantivy::IndexSettings::default())?;
        schema::register_tokenizer(&index);
        Ok(Self { index, fields })
    }

    /// Writes changes and how far they bring the index, in one commit; merges are done when it
    /// returns. Written twice, a change does no harm.
    pub fn write<E: From<TantivyError>>(
        &self,
        progress: Progress,
        is_large: bool,
        changes: impl FnOnce(&mut dyn FnMut(Change) -> Result<(), E>) -> Result<(), E>,
    ) -> Result<(), E> {
        let bytes = if is_large {
            LARGE_WRITER_BYTES
        } else {
            SMALL_WRITER_BYTES
        };
        let mut writer = self
            .index
            .writer_with_num_threads::<TantivyDocument>(1, bytes)?;
        changes(&mut |change| {
            let operations = match change {
                Change::Gone(id) => vec![UserOperation::Delete(self.fields.id_term(id))],
                Change::Put(product) => vec![
                    UserOperation::Delete(self.fields.id_term(product.id)),
                    UserOperation::Add(self.fields.document(&product)),
                ],
            };
            writer.run(operations)?;
            Ok(())
        })?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&progress.payload());
        commit.commit()?;
        writer.wait_merging_threads()?;
        Ok(())
    }

    /// The segments of the last commit; of those in `known` only the names are read.
    pub fn segments(
        &self,
        known: &[SegmentId],
    ) -> Result<Vec<(SegmentId, Option<Part>)>, TantivyError> {
        let builder = self
            .index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual);
        let reader = builder.num_warming_threads(0).try_into()?;
        let searcher = reader.searcher();
        let segments = searcher.segment_readers().iter().map(|segment| {
            let id = segment.segment_id();
            if known.contains(&id) {
                return Ok((id, None));
            }
            Ok((id, Some(Part::of_segment(segment, &self.fields)?)))
        });
        segments.collect()
    }
}
