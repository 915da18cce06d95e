//! Encryption of what must not be read from a stolen file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use offhook_sip::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::StoreError;

/// The key's file.
const KEY_FILE: &str = "store.key";

const KEY_LEN: usize = 32;

/// Seals and opens. Nonces are random: with 96 bits, some 2³² sealings under one key are safe (NIST SP 800-38D §8.3).
pub(super) struct Key {
    key: LessSafeKey,
    path: PathBuf,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Key {
    /// Reads the key of a data directory, or makes it; without one it is good for this store only.
    pub(super) fn open(data_dir: Option<&Path>) -> Result<Self, StoreError> {
        let path = data_dir.map(|dir| dir.join(KEY_FILE)).unwrap_or_default();
        let failed = |reason: String| StoreError::Key { path: path.clone(), reason };
        let io = |e: std::io::Error| failed(e.to_string());
        let mut bytes = zeroize::Zeroizing::new([0_u8; KEY_LEN]);
        match data_dir.map(|_| File::open(&path)) {
            Some(Ok(mut file)) => {
                file.read_exact(bytes.as_mut()).map_err(|_| failed("it is no key of 32 bytes".to_owned()))?;
            }
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            missing => {
                getrandom::fill(bytes.as_mut()).map_err(|e| failed(e.to_string()))?;
                if missing.is_some() {
                    write_key(&path, bytes.as_ref()).map_err(io)?;
                }
            }
        }
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).map_err(|_| failed("it is no key".to_owned()))?;
        Ok(Self { key: LessSafeKey::new(key), path })
    }

    /// Encrypts: the nonce, the ciphertext, the tag. It opens with the same `about` only.
    pub(super) fn seal(&self, about: &[&str], secret: &Secret) -> Result<Vec<u8>, StoreError> {
        let failed = |reason: &str| StoreError::Key { path: self.path.clone(), reason: reason.to_owned() };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| failed("no random numbers"))?;
        let mut sealed = secret.expose().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound(about)), &mut sealed)
            .map_err(|_| failed("not sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts; `None` when the key or `about` is another, or somebody has changed it.
    pub(super) fn open_sealed(&self, about: &[&str], sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = zeroize::Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(bound(about)), &mut plain).ok()?;
        Some(Secret::from(std::str::from_utf8(opened).ok()?))
    }
}

/// Each part with its length, so that no two lists are the same bytes.
fn bound(about: &[&str]) -> Vec<u8> {
    let part = |text: &&str| [(text.len() as u64).to_be_bytes().as_slice(), text.as_bytes()].concat();
    about.iter().flat_map(part).collect()
}

/// A key that is there is whole, also after a crash.
fn write_key(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = private().truncate(true).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    // The name, too, must survive the power.
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// Makes a file that only its owner may read, if it is not there; others made beside it by SQLite get the same mode.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    drop(private().truncate(false).open(path)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}
