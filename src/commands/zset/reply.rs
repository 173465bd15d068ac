//! Members as replies: with scores flat in RESP2, in pairs in RESP3.

use crate::resp::Reply;
use crate::types::Piece;

/// An array of members, with their scores if wanted.
pub fn members<'a>(
    members: impl Iterator<Item = (Piece<'a>, f64)>,
    len: usize,
    with_scores: bool,
    out: &mut Reply,
) {
    let nested = with_scores && out.resp3();
    out.array(if with_scores && !nested { len * 2 } else { len });
    for (member, score) in members {
        if out.is_full() {
            break;
        }
        if nested {
            out.array(2);
        }
        out.piece(member);
        if with_scores {
            out.double(score);
        }
    }
}

/// Pairs in both protocols, as ZMPOP has them.
pub fn pairs<'a>(members: impl ExactSizeIterator<Item = &'a (Vec<u8>, f64)>, out: &mut Reply) {
    out.array(members.len());
    for (member, score) in members {
        out.array(2);
        out.bulk(member);
        out.double(*score);
    }
}
