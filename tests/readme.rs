//! What the README lists is what the program has: the codes by which the hub tells of faults and of failed requests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Collects the codes, `E_` and capitals, that stand between these two texts.
fn codes(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let is_code = |word: &str| {
        let name = word.strip_prefix("E_");
        name.is_some_and(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
    };
    text.match_indices(before)
        .filter_map(|(at, _)| text[at + before.len()..].split_once(after))
        .map(|(word, _)| word)
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect()
}

/// The codes in all Rust files below a folder.
fn codes_in_source(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            found.append(&mut codes_in_source(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source is text");
            found.append(&mut codes(&text, "\"", "\""));
        }
    }
    found
}

#[test]
fn the_readme_lists_the_codes_of_the_hub_and_no_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md can be read");
    let (_, behaviour) = readme
        .split_once("\n## ok-peerhub: the hub's own protocol\n")
        .expect("the chapter on the hub");
    let (behaviour, _) = behaviour
        .split_once("\n## ")
        .expect("another chapter follows");
    let mut in_source = BTreeSet::new();
    // The other dialects have no word for a code: theirs are for the log.
    for room in ["hub", "dialect/json", "dialect/ok", "net"] {
        in_source.append(&mut codes_in_source(&root.join("src").join(room)));
    }
    assert!(in_source.len() > 10, "{in_source:?}");
    assert_eq!(codes(behaviour, "\n| `", "` |"), in_source);
}
