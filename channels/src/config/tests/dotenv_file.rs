//! The `.env` file.

use super::*;

#[test]
fn quotes_comments_exports_and_line_ends_are_understood() {
    let folder = Folder::new();
    let text = "\u{feff}# a comment\r\nexport LOG_LEVEL=debug\r\n\r\nREDIS_URL='redis://:pa$s@cache' # why\r\n\
                SERVER_INSTANCE_ID=\"berlin 1\"\r\nLOG_STATS=no\r\nLOG_STATS=yes ";
    let (vars, problems) = folder.dotenv(text);
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        pairs(&vars),
        [
            ("LOG_LEVEL", "debug"),
            ("LOG_STATS", "yes"),
            ("REDIS_URL", "redis://:pa$s@cache"),
            ("SERVER_INSTANCE_ID", "berlin 1"),
        ]
    );
}

#[test]
fn each_broken_line_is_named_and_none_is_shown() {
    let folder = Folder::new();
    let text = "# one\nA=1\n\nREDIS_URL redis://:s3cret@cache\nB='two\nlines'\nC=s3cret s3cret\nD=it's\nE=1\n";
    let (vars, problems) = folder.dotenv(text);
    let line = |line| format!(".env:{line} is not valid: expected NAME=value, in quotes if it holds spaces or quotes");
    assert_eq!(problems, [line(4), line(7), line(8)]);
    assert_eq!(pairs(&vars), [("A", "1"), ("B", "two\nlines")]);
}

#[test]
fn lines_are_counted_beyond_any_buffer() {
    let folder = Folder::new();
    let text = format!("{}A={}\nB b\nC='{}\n", "# x\n".repeat(9000), "a".repeat(20_000), "c\n".repeat(9000));
    let (_, problems) = folder.dotenv(text);
    assert!(problems[0].starts_with(".env:9002 "), "{problems:?}");
    assert!(problems[1].starts_with(".env:9003 "), "{problems:?}");
}

#[test]
fn a_file_that_is_not_utf8_is_named_by_its_line() {
    let folder = Folder::new();
    let (_, problems) = folder.dotenv(b"A=1\nB=\xff\n");
    assert_eq!(problems, [".env:2 is not valid: expected UTF-8"]);
}

#[test]
fn a_missing_file_is_fine_and_an_unreadable_one_is_not() {
    let folder = Folder::new();
    let (vars, problems) = dotenv::read(&folder.0.join(".env"));
    assert!(vars.is_empty() && problems.is_empty());
    let (_, problems) = dotenv::read(&folder.0);
    assert!(problems[0].to_string().contains(" could not be read: "), "{}", problems[0]);
}

#[test]
fn an_empty_file_has_nothing() {
    let folder = Folder::new();
    for text in ["", "\n", "\u{feff}", "# only a comment"] {
        assert_eq!(folder.dotenv(text), (env::Vars::new(), Vec::new()));
    }
}
