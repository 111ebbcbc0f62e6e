//! The store's file before the database has it: it is private, it is on disk under its name, and a
//! first start that was killed half-way does not stand in the way of the next one.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _},
    path::Path,
};

use redb::DatabaseError;

/// Makes `path` a file that only its owner can read and write, and that is either empty or a database.
///
/// # Errors
/// [`DatabaseError::DatabaseAlreadyOpen`] when another process is just making a database of it, and
/// what the system refuses.
pub(crate) fn make_ready(path: &Path) -> Result<(), DatabaseError> {
    let mut file = make_private(path)?;
    if is_half_made(&mut file)? {
        // The database's own lock: nobody is making it at this moment.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DatabaseError::DatabaseAlreadyOpen,
            TryLockError::Error(error) => error.into(),
        })?;
        if is_half_made(&mut file)? {
            tracing::warn!(path = %path.display(), "the store was stopped before it began; beginning again");
            file.set_len(0)?;
        }
    }
    Ok(())
}

/// Opens the file, or makes an empty one. Of one that is there, takes away what others may do with it.
fn make_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        match options.mode(0o600).open(path) {
            Ok(file) => {
                // The name is durable only when its directory is.
                File::open(directory(path))?.sync_all()?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = options.create_new(false).open(path)?;
                if file.metadata()?.permissions().mode() & 0o077 != 0 {
                    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
                }
                Ok(file)
            }
            Err(error) => Err(error),
        }
    }
    #[cfg(not(unix))]
    options.create_new(false).create(true).truncate(false).open(path)
}

#[cfg(unix)]
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

/// Whether a database was being made of the file and never was finished: redb makes room, fills it
/// in, and writes its magic number, nine bytes at the beginning, last of all.
fn is_half_made(file: &mut File) -> io::Result<bool> {
    const MAGIC_BYTES: u64 = 9;
    let mut beginning = Vec::new();
    file.rewind()?;
    file.by_ref().take(MAGIC_BYTES).read_to_end(&mut beginning)?;
    Ok(beginning.len() as u64 == MAGIC_BYTES && beginning.iter().all(|byte| *byte == 0))
}
