//! Random bytes of the system.

use crate::error::PbxError;

/// So many of them.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], PbxError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PbxError::Random { reason: e.to_string() })?;
    Ok(bytes)
}
