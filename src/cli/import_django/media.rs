//! Photos of the original: files below one folder, and nothing outside of it.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::http::limits::PHOTO_MAX_BYTES;
use crate::photo::{self, Encoder, Refusal};
use crate::shop::photos::Photo;

pub struct Media {
    /// Without links and `..` in it.
    folder: PathBuf,
    encoder: Encoder,
}

impl Media {
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let real = folder.canonicalize();
        let real = real.with_context(|| format!("{} can't be opened", folder.display()))?;
        anyhow::ensure!(real.is_dir(), "{} is no folder", folder.display());
        Ok(Self {
            folder: real,
            encoder: Encoder::default(),
        })
    }

    /// The picture in a file below the folder, encoded anew; or why there is none.
    pub async fn photo(&self, path: &str) -> Result<Photo, String> {
        let bytes = self.read(path)?;
        let place = self.encoder.place().map_err(|busy| busy.to_string())?;
        let kept = photo::keep(place, bytes).await;
        kept.map_err(|refusal| {
            let sentence = match refusal {
                Refusal::Empty => "is empty",
                Refusal::UnknownFormat => "is no PNG, JPEG or WebP image",
                Refusal::TooManyPixels => "has more than 40 megapixels",
                Refusal::Broken => "is damaged or cut short",
            };
            format!("{path:?} {sentence}")
        })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let cannot = |error: io::Error| format!("{path:?} can't be read: {error}");
        // Where the path leads in the end, over whatever links.
        let real = self.folder.join(path).canonicalize().map_err(cannot)?;
        if !real.starts_with(&self.folder) {
            return Err(format!("{path:?} is outside of {}", self.folder.display()));
        }
        let metadata = fs::metadata(&real).map_err(cannot)?;
        if !metadata.is_file() {
            return Err(format!("{path:?} is no file")); // A pipe would never end.
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&real).map_err(cannot)?;
        let mut limited = file.take(PHOTO_MAX_BYTES as u64 + 1);
        limited.read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() > PHOTO_MAX_BYTES {
            return Err(format!("{path:?} has more than {PHOTO_MAX_BYTES} bytes"));
        }
        Ok(bytes)
    }
}
