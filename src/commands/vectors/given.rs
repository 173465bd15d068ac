//! Vectors as clients give them.

use crate::command::{Args, Fail};
use crate::types::VectorSet;
use crate::types::vectors::{DIMENSION_MAX, Projection};
use crate::util::number;

const INVALID: Fail = Fail::Says("invalid vector specification");

/// A vector, and to how many numbers it is to be reduced.
pub struct Given {
    pub vector: Vec<f32>,
    pub reduce: Option<usize>,
}

impl Given {
    /// `[REDUCE dim] FP32 blob | VALUES n number...`.
    pub fn parse(args: &mut Args<'_>, may_reduce: bool) -> Result<Self, Fail> {
        let reduce = match may_reduce && args.word_with("REDUCE", 1) {
            true => Some(args.int_in(1..=DIMENSION_MAX as i64, INVALID)? as usize),
            false => None,
        };
        let vector = if args.word("FP32") {
            blob(args.next().map_err(|_| INVALID)?)?
        } else if args.word("VALUES") {
            let count = args.next().map_err(|_| INVALID)?;
            let count = number::parse_i64(count).and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|count| (1..=DIMENSION_MAX).contains(count));
            let numbers = args.take(count.ok_or(INVALID)?).map_err(|_| INVALID)?;
            let parse = |text: &&[u8]| number::parse_double(text).map(|number| number as f32);
            let parsed: Option<Vec<f32>> = numbers.iter().map(parse).collect();
            parsed.ok_or(INVALID)?
        } else {
            return Err(INVALID);
        };
        match reduce {
            Some(to) if to > vector.len() => Err(INVALID),
            reduce => Ok(Given { vector, reduce }),
        }
    }

    /// What reduces such vectors, if they are to be reduced.
    pub fn projection(&self) -> Result<Option<Projection>, Fail> {
        let make = |to| Projection::new(self.vector.len(), to).ok_or(INVALID);
        self.reduce.map(make).transpose()
    }
}

/// Numbers of four bytes each.
fn blob(bytes: &[u8]) -> Result<Vec<f32>, Fail> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let fits = rest.is_empty() && (1..=DIMENSION_MAX).contains(&numbers.len());
    let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    fits.then(|| numbers.iter().map(number).collect())
        .ok_or(INVALID)
}

pub fn mismatch(given: usize, set: &VectorSet) -> Fail {
    let dimension = set.form().dimension;
    Fail::said(format!(
        "Vector dimension mismatch - got {given} but set has {dimension}"
    ))
}

/// The vector as a set of reduced ones has it.
pub fn project(vector: &[f32], projection: &Projection) -> Result<Vec<f32>, Fail> {
    match projection.from() {
        from if from == vector.len() => Ok(projection.project(vector)),
        from => Err(Fail::said(format!(
            "Input dimension mismatch for projection - got {} but projection expects {from}",
            vector.len()
        ))),
    }
}
