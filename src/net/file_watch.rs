//! Files that are read again when they have changed: when they are looked at, and what tells one content from another.
//!
//! Reads none: what is in them, and what becomes of one that cannot be used, is for whoever watches them.

use crate::hub::Millis;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Some files, and how they were when they were read last.
#[derive(Debug)]
pub(super) struct FileWatch {
    paths: Vec<PathBuf>,
    /// When the files are looked at next.
    look_at: Millis,
    /// A look that has found the files other than when they were read, and what it has found.
    changed: Option<Vec<Stamp>>,
    /// The files as they were when they were read last, with success or without.
    read: Vec<Stamp>,
}

/// What tells one content of a file from another: device, inode, size and time of change. None of a file that cannot be
/// looked at.
type Stamp = Option<[i64; 5]>;

impl FileWatch {
    /// Time between two looks at the files, ms.
    const LOOK_MS: Millis = 1_000;

    /// Watches these files, which are read next.
    pub(super) fn new(paths: Vec<PathBuf>) -> FileWatch {
        FileWatch {
            look_at: 0,
            changed: None,
            read: stamps(&paths),
            paths,
        }
    }

    /// Whether the files have changed and are to be read again, since two looks have found the same: who writes two files, or
    /// one that is long, is not met in the middle of it.
    pub(super) fn have_changed(&mut self, now: Millis) -> bool {
        if now < self.look_at {
            return false;
        }
        self.look_at = now + Self::LOOK_MS;
        let found = stamps(&self.paths);
        if found == self.read {
            self.changed = None;
            return false;
        }
        if self.changed.as_ref() != Some(&found) {
            self.changed = Some(found);
            return false;
        }
        true
    }

    /// The files are read now, for whatever reason.
    pub(super) fn are_read(&mut self) {
        self.changed = None;
        self.read = stamps(&self.paths);
    }

    /// When the next look is due.
    pub(super) fn next_deadline(&self) -> Millis {
        self.look_at
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let found = fs::metadata(path).ok()?;
        let whole = |number: u64| number.cast_signed();
        Some([
            whole(found.dev()),
            whole(found.ino()),
            whole(found.len()),
            found.mtime(),
            found.mtime_nsec(),
        ])
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_met_once_and_not_in_the_middle_of_it() {
        let name = format!("peerhub-file-watch-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let write = |text: &str| fs::write(&path, text).expect("a temporary file");
        write("one");
        let mut watch = FileWatch::new(vec![path.clone()]);
        let mut looks = (0..).map(|look: Millis| look * FileWatch::LOOK_MS);
        let mut look = |watch: &mut FileWatch| watch.have_changed(looks.next().expect("endless"));
        assert!(!look(&mut watch));
        write("longer");
        assert!(!look(&mut watch), "it may still be written");
        write("and longer");
        assert!(!look(&mut watch), "it was");
        assert!(look(&mut watch));
        watch.are_read();
        assert!(!look(&mut watch) && !look(&mut watch), "once");
        fs::remove_file(&path).expect("it is there");
        assert!(!look(&mut watch));
        assert!(look(&mut watch), "what is gone has changed, too");
        watch.are_read();
        assert!(!look(&mut watch));
        let due = watch.next_deadline();
        write("back");
        assert!(!watch.have_changed(due - 1) && !watch.have_changed(due - 1));
        assert!(
            !watch.have_changed(due),
            "looks are not more often than that"
        );
        assert!(watch.have_changed(due + FileWatch::LOOK_MS));
        fs::remove_file(&path).expect("it is there");
    }
}
