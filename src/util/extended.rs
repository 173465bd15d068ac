//! Placeholder until the long double arithmetic is merged.
use super::number;
pub enum ExtendedError {
    NotANumber,
    NotFinite,
}
pub fn add(a: &[u8], b: &[u8]) -> Result<Vec<u8>, ExtendedError> {
    let a = number::parse_double(a).ok_or(ExtendedError::NotANumber)?;
    let b = number::parse_double(b).ok_or(ExtendedError::NotANumber)?;
    if !(a + b).is_finite() {
        return Err(ExtendedError::NotFinite);
    }
    let mut out = Vec::new();
    number::write_human(a + b, &mut out);
    Ok(out)
}
