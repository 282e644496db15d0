//! Keys that the server makes for itself: with SQLite, in files beside the database that only its own user can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use uuid::Uuid;

use super::sqlite_path;
use crate::error::{Error, Result};

/// The only rights on a key file: its owner reads and writes.
const MODE: u32 = 0o600;
/// Rights of others, of which a key file must have none.
const RIGHTS_OF_OTHERS: u32 = 0o077;

/// The key of this many bytes in the file `name` beside the SQLite database; where there is no such file it is made, with random bytes. Nothing with
/// PostgreSQL, whose replicas must share their keys. Whoever makes the file first wins: all others read it.
pub fn read_or_make(database_url: &SecretString, name: &str, bytes: usize) -> Result<Option<SecretSlice<u8>>> {
    let Some(path) = path(database_url, name) else { return Ok(None) };
    if let Some(key) = read_from(&path, bytes)? {
        return Ok(Some(key));
    }
    make(&path, bytes).map_err(|error| unusable(&path, &format!("cannot be made: {error}")))?;
    read_from(&path, bytes)
}

/// The same key where its file is there already.
pub fn read(database_url: &SecretString, name: &str, bytes: usize) -> Result<Option<SecretSlice<u8>>> {
    path(database_url, name).map_or(Ok(None), |path| read_from(&path, bytes))
}

fn path(database_url: &SecretString, name: &str) -> Option<PathBuf> {
    sqlite_path(database_url.expose_secret()).map(|database| database.with_added_extension(name))
}

fn read_from(path: &Path, bytes: usize) -> Result<Option<SecretSlice<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &format!("cannot be read: {error}"))),
    };
    let rights = file.metadata().map_err(|error| unusable(path, &format!("cannot be read: {error}")))?.permissions();
    if rights.mode() & RIGHTS_OF_OTHERS != 0 {
        return Err(unusable(path, "can be read by others: take their rights away (chmod 600)"));
    }
    let mut key = vec![0; bytes];
    let whole = file.read_exact(&mut key).and_then(|()| file.read(&mut [0]));
    let key = SecretSlice::from(key);
    match whole {
        Ok(0) => Ok(Some(key)),
        _ => {
            Err(unusable(path, &format!("does not hold {bytes} bytes: restore it, what it sealed is lost without it")))
        }
    }
}

/// Makes the file in one step, so that nobody reads half a key, also after a crash: it is written under another name, then linked.
fn make(path: &Path, bytes: usize) -> io::Result<()> {
    let mut key = vec![0; bytes];
    rand::rng().fill_bytes(&mut key);
    let key = SecretSlice::from(key);
    let draft = path.with_added_extension(Uuid::now_v7().to_string());
    let written = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&draft).and_then(|mut file| {
        file.write_all(key.expose_secret())?;
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        // Somebody else was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed,
        linked => linked.and(removed).and_then(|()| sync_folder(path)),
    }
}

/// The name is on disk before anything is sealed.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::unavailable(format!("the key file {} {why}", path.display()))
}
