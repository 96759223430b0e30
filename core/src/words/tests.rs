use super::*;
use std::fs;
use std::path::PathBuf;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("antiphon-{}", crate::random::hex::<8>()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn lists_are_read_again_while_in_use() {
    let folder = Folder::new();
    let masked = folder.file("masked.txt", "zork\n");
    let filter = FilterSources {
        masked: vec![masked],
        ..FilterSources::default()
    };
    let stop_words = vec![folder.file("stop.txt", "plain\n")];
    let words = Words::load(&WordSources {
        filter,
        stop_words,
        builtin_stop_words: false,
    })
    .unwrap();
    assert_eq!(words.mask("zork frob fuck"), "**** frob fuck");
    assert_eq!(words.popular_words("plain the words"), ["the", "words"]);

    let masked = folder.file("masked.txt", "frob\n");
    words.reload().unwrap();
    assert_eq!(words.mask("zork frob"), "zork ****");
    assert_eq!(
        words.explain("frob")[0].source.as_ref(),
        masked.display().to_string()
    );

    folder.file("masked.txt", "frob\n123\n");
    assert!(matches!(
        words.reload(),
        Err(FilterError::NoLetter { line: 2, .. })
    ));
    assert_eq!(
        words.mask("zork frob"),
        "zork ****",
        "the lists before stay in use"
    );
}

#[test]
fn files_add_to_the_builtin_lists() {
    let folder = Folder::new();
    let filter = FilterSources {
        masked: vec![folder.file("more.txt", "zork")],
        allowed: vec![folder.file("less.txt", "shit")],
        builtin: true,
    };
    let filter = WordFilter::load(&filter).unwrap();
    assert_eq!(filter.mask("zork shit fuck"), "**** shit ****");
}

#[test]
fn one_set_serves_many_threads() {
    let words = Words::builtin();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(words.mask("oh fuck"), "oh ****");
                }
            });
        }
        scope.spawn(|| words.reload().unwrap());
    });
}
