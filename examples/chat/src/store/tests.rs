//! The store as the chat uses it, on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use super::{HistoryEntry, NewFile, Store, StoreError};

/// A folder of a test's own, which goes when the test ends.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chat-store-{}-{number}", process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("chat.db")
    }

    pub(super) fn url(&self, mode: &str) -> String {
        format!("sqlite://{}?mode={mode}", self.file().display())
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.url("rwc")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn texts(store: &Store, room: &str) -> Vec<String> {
    let entries = store.history(room, 10_000).await.unwrap();
    let text = |entry| match entry {
        HistoryEntry::Text(message) => message.text,
        HistoryEntry::File(file) => file.filename,
    };
    entries.into_iter().map(text).collect()
}

fn note(room: &str, user_id: &str, bytes: Vec<u8>) -> NewFile {
    NewFile {
        room: room.to_owned(),
        user_id: user_id.to_owned(),
        filename: "note.txt".to_owned(),
        mime_type: "text/plain".to_owned(),
        bytes,
        timestamp: 2.5,
    }
}

#[tokio::test]
async fn a_user_is_seen_first_once_and_last_ever_later() {
    let store = Store::open("sqlite::memory:").unwrap();
    assert_eq!(store.user("ada").await.unwrap(), None);
    for now in [10.0, 30.5, 20.0] {
        assert_eq!(store.see_user("ada", now).await.unwrap(), "ada");
    }
    let user = store.user("ada").await.unwrap().unwrap();
    assert_eq!((user.first_seen, user.last_seen), (10.0, 30.5));
    assert_eq!((&*user.user_id, &*user.username), ("ada", "ada"));
}

#[tokio::test]
async fn a_room_is_made_once_and_stays_as_it_is() {
    let store = Store::open("sqlite::memory:").unwrap();
    let (room, created) = store.ensure_room("b", "ada", false, 1.0).await.unwrap();
    assert!(created && !room.is_public);
    let again = store.ensure_room("b", "bob", true, 2.0).await.unwrap();
    assert_eq!(again, (room.clone(), false));
    assert_eq!(store.room("b").await.unwrap(), Some(room));
    assert_eq!(store.room("B").await.unwrap(), None);
}

#[tokio::test]
async fn rooms_are_listed_by_openness_and_by_name() {
    let store = Store::open("sqlite::memory:").unwrap();
    for (name, is_public) in [("c", true), ("b", false), ("a", true)] {
        store.ensure_room(name, "ada", is_public, 1.0).await.unwrap();
    }
    let names = |rooms: Vec<super::Room>| -> Vec<_> { rooms.into_iter().map(|r| r.name).collect() };
    assert_eq!(names(store.public_rooms().await.unwrap()), ["a", "c"]);
    let wanted = ["c", "none", "b"].map(str::to_owned).to_vec();
    assert_eq!(names(store.rooms_named(wanted).await.unwrap()), ["c", "b"]);
}

#[tokio::test]
async fn a_member_stays_one_until_they_leave() {
    let folder = Folder::new();
    let store = folder.open();
    store.ensure_room("lobby", "ada", true, 1.0).await.unwrap();
    for user in ["bob", "ada"] {
        store.see_user(user, 1.0).await.unwrap();
        store.add_member("lobby", user).await.unwrap();
        store.add_member("lobby", user).await.unwrap();
    }
    store.close().await;

    let store = folder.open();
    let pair = |user: &str| (user.to_owned(), user.to_owned());
    let members = store.members("lobby").await.unwrap();
    assert_eq!(members, [pair("ada"), pair("bob")]);
    assert!(store.remove_member("lobby", "ada").await.unwrap());
    assert!(!store.remove_member("lobby", "ada").await.unwrap());
    assert_eq!(store.members("lobby").await.unwrap(), [pair("bob")]);
    assert!(store.members("none").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_membership_needs_a_known_room_and_a_known_user() {
    let store = Store::open("sqlite::memory:").unwrap();
    store.ensure_room("lobby", "ada", true, 1.0).await.unwrap();
    store.see_user("ada", 1.0).await.unwrap();
    for (room, user) in [("lobby", "bob"), ("none", "ada")] {
        let error = store.add_member(room, user).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownMember { .. }), "{error}");
    }
    store.add_member("lobby", "ada").await.unwrap();
}

#[tokio::test]
async fn history_is_the_newest_entries_oldest_first() {
    let store = Store::open("sqlite::memory:").unwrap();
    for (number, now) in [(1, 5.0), (2, 4.0), (3, 4.0)] {
        let text = number.to_string();
        store.save_message("a", "ada", &text, now).await.unwrap();
        store.save_message("b", "ada", "other", now).await.unwrap();
    }
    store.save_file(note("a", "ada", vec![1])).await.unwrap();
    store.save_message("a", "ada", "4", 6.0).await.unwrap();
    assert_eq!(texts(&store, "a").await, ["1", "2", "3", "note.txt", "4"]);
    let newest = store.history("a", 2).await.unwrap();
    assert!(matches!(&newest[0], HistoryEntry::File(file) if file.file_size == 1));
    assert!(matches!(&newest[1], HistoryEntry::Text(message) if message.text == "4"));
    assert!(store.history("a", 0).await.unwrap().is_empty());
    assert!(store.history("none", 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn history_is_flat_json() {
    let store = Store::open("sqlite::memory:").unwrap();
    let message = store.save_message("a", "ada", "hi", 1.25).await.unwrap();
    let file = store.save_file(note("a", "bob", vec![7; 3])).await.unwrap();
    let history = serde_json::to_value(store.history("a", 9).await.unwrap()).unwrap();
    assert_eq!(
        history,
        json!([
            {
                "id": message.id, "user_id": "ada", "username": "ada", "room": "a",
                "text": "hi", "timestamp": 1.25,
            },
            {
                "user_id": "bob", "username": "bob", "room": "a", "filename": "note.txt",
                "mime_type": "text/plain", "file_size": 3,
                "file_url": format!("/api/files/{}", file.id), "timestamp": 2.5,
            },
        ])
    );
}

#[tokio::test]
async fn what_is_withdrawn_is_gone_and_its_id_names_nothing_else() {
    let store = Store::open("sqlite::memory:").unwrap();
    let message = store.save_message("a", "ada", "hi", 1.0).await.unwrap();
    let file = store.save_file(note("a", "ada", vec![1])).await.unwrap();
    assert!(!store.delete_message(message.id + 1).await.unwrap(), "it is a file");
    assert!(store.delete_message(message.id).await.unwrap());
    assert!(!store.delete_message(message.id).await.unwrap());
    assert!(store.delete_file(&file.id).await.unwrap());
    assert!(!store.delete_file(&file.id).await.unwrap());
    assert_eq!(store.file(&file.id).await.unwrap(), None);
    assert!(store.history("a", 9).await.unwrap().is_empty());
    let later = store.save_message("a", "ada", "hi", 1.0).await.unwrap();
    assert!(later.id > message.id + 1);
}

#[tokio::test]
async fn a_file_of_ten_megabytes_comes_back_whole() {
    let folder = Folder::new();
    let store = folder.open();
    let bytes: Vec<u8> = (0..10_485_760_u32).map(|n| (n % 251) as u8).collect();
    let metadata = store.save_file(note("a", "ada", bytes.clone())).await.unwrap();
    assert_eq!(metadata.file_size, 10_485_760);
    assert_eq!(metadata.id.len(), 32);
    assert!(metadata.id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    let file = store.file(&metadata.id).await.unwrap().unwrap();
    assert_eq!(file.metadata, metadata);
    assert!(file.bytes == bytes, "the bytes differ");
    let empty = store.save_file(note("a", "ada", Vec::new())).await.unwrap();
    assert_ne!(empty.id, metadata.id);
    let empty = store.file(&empty.id).await.unwrap().unwrap();
    assert!(empty.bytes.is_empty());
    assert_eq!(store.file("none").await.unwrap(), None);
}

#[tokio::test]
async fn a_private_message_names_known_and_unknown_users() {
    let store = Store::open("sqlite::memory:").unwrap();
    store.see_user("ada", 1.0).await.unwrap();
    let first = store.save_private("ada", "bob", "hi", 2.0).await.unwrap();
    assert_eq!((&*first.from_username, &*first.to_username), ("ada", "bob"));
    let second = store.save_private("bob", "ada", "ho", 2.0).await.unwrap();
    assert!(second.id > first.id);
}

#[tokio::test]
async fn names_and_texts_are_any_unicode_and_never_sql() {
    let store = Store::open("sqlite::memory:").unwrap();
    for text in ["💬 ſ", "'; DROP TABLE rooms; --", "%_\"?1", "a\0b", "", "\u{202e}x"] {
        store.see_user(text, 1.0).await.unwrap();
        let (room, created) = store.ensure_room(text, text, true, 1.0).await.unwrap();
        assert!(created && room.name == text);
        store.add_member(text, text).await.unwrap();
        store.save_message(text, text, text, 1.0).await.unwrap();
        assert_eq!(texts(&store, text).await, [text]);
        assert_eq!(store.members(text).await.unwrap()[0].0, text);
    }
}

#[tokio::test]
async fn a_restart_keeps_every_row() {
    let folder = Folder::new();
    let store = folder.open();
    store.see_user("ada", 1.0).await.unwrap();
    store.ensure_room("a", "ada", true, 1.0).await.unwrap();
    store.save_message("a", "ada", "hi", 1.0).await.unwrap();
    let file = store.save_file(note("a", "ada", vec![1, 2])).await.unwrap();
    let history = store.history("a", 9).await.unwrap();
    store.close().await;
    assert!(!folder.0.join("chat.db-wal").exists(), "the log is written back");

    let store = folder.open();
    assert_eq!(store.history("a", 9).await.unwrap(), history);
    assert_eq!(store.file(&file.id).await.unwrap().unwrap().bytes, [1, 2]);
    assert!(store.user("ada").await.unwrap().is_some());
    assert_eq!(store.public_rooms().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_end_without_close_loses_nothing_that_was_answered() {
    let folder = Folder::new();
    let store = folder.open();
    store.save_message("a", "ada", "hi", 1.0).await.unwrap();
    // The copy is what a crash would leave: the file and its log, unclosed.
    let copy = Folder::new();
    for suffix in ["", "-wal"] {
        let name = format!("chat.db{suffix}");
        std::fs::copy(folder.0.join(&name), copy.0.join(&name)).unwrap();
    }
    assert_eq!(texts(&copy.open(), "a").await, ["hi"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_stores_open_one_new_file_at_once_and_share_it() {
    const STORES: usize = 8;
    const WRITES: usize = 50;
    let folder = Folder::new();
    let mut writers = JoinSet::new();
    for number in 0..STORES {
        let url = folder.url("rwc");
        writers.spawn(async move {
            let store = tokio::task::spawn_blocking(move || Store::open(&url));
            let store = store.await.unwrap().unwrap();
            let room = store.ensure_room("a", "ada", true, 1.0).await.unwrap();
            for write in 0..WRITES {
                let text = format!("{number}:{write}");
                store.save_message("a", "ada", &text, 1.0).await.unwrap();
            }
            (store, usize::from(room.1))
        });
    }
    let (stores, created): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().unzip();
    assert_eq!(created.iter().sum::<usize>(), 1, "one of them makes the room");
    let history = stores[0].history("a", 10_000).await.unwrap();
    assert_eq!(history.len(), STORES * WRITES);
    for store in &stores {
        assert!(store.history("a", 10_000).await.unwrap() == history);
    }
    let all = texts(&stores[0], "a").await;
    for number in 0..STORES {
        let prefix = format!("{number}:");
        let own: Vec<_> = all.iter().filter(|t| t.starts_with(&prefix)).collect();
        let expected: Vec<_> = (0..WRITES).map(|write| format!("{number}:{write}")).collect();
        assert!(own.iter().eq(&expected.iter().collect::<Vec<_>>()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_saves_at_once_are_each_stored_once_and_readable_when_answered() {
    let folder = Folder::new();
    let (store, other) = (folder.open(), folder.open());
    let mut saves = JoinSet::new();
    for number in 0..1_000 {
        let (store, other) = (store.clone(), other.clone());
        saves.spawn(async move {
            let text = format!("{number:05000}");
            let saved = store.save_message("a", "ada", &text, 1.0).await.unwrap();
            if number % 100 == 0 {
                let entry = HistoryEntry::Text(saved.clone());
                assert!(other.history("a", 1_000).await.unwrap().contains(&entry));
            }
            saved.id
        });
    }
    let ids: HashSet<i64> = saves.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1_000);
    let stored: HashSet<String> = texts(&store, "a").await.into_iter().collect();
    assert_eq!(stored.len(), 1_000);
}

#[tokio::test]
async fn a_closed_store_finishes_what_is_queued_and_refuses_the_rest() {
    let folder = Folder::new();
    let store = folder.open();
    store.ping().await.unwrap();
    let save = store.save_message("a", "ada", "queued", 1.0);
    let (saved, (), ()) = tokio::join!(save, store.close(), store.close());
    saved.unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
    let error = store.history("a", 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error}");
    store.close().await;
    assert_eq!(texts(&folder.open(), "a").await, ["queued"]);
}

#[tokio::test]
async fn a_database_in_memory_is_each_stores_own() {
    let store = Store::open("sqlite::memory:").unwrap();
    store.save_message("a", "ada", "hi", 1.0).await.unwrap();
    assert_eq!(texts(&store.clone(), "a").await, ["hi"]);
    store.ping().await.unwrap();
    let other = Store::open("sqlite://:memory:").unwrap();
    assert!(texts(&other, "a").await.is_empty());
    store.close().await;
}
