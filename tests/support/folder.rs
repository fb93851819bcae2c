//! A directory of one test's own, removed at the end.

use std::fs;
use std::path::PathBuf;

/// The directory.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// A new one; `test` tells it from those of tests that run at the same time.
    pub(crate) fn new(test: &str) -> Folder {
        let name = format!("{test}-{}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file into it; the file's path.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
