//! Leave to take slots whole, as the node that gives it and that node's replicas see to it: on a thread that may wait for the
//! disk and for other nodes, in the order of the orders.

use tokio::sync::oneshot;

use crate::cluster::{GivenLeave, NodeId};
use crate::persist::JobOutcome;

/// Who waits may be gone.
type Told = oneshot::Sender<JobOutcome>;

pub enum LeaveOrder {
    /// The other node of this move, whose slots are held back for it, may take them once that is noted and told.
    Give { id: String, told: Told },
    /// Replicas are to know that some leave doesn't matter any more.
    Tell,
    /// The master of this node has given this leave, and no other.
    Hear {
        master: NodeId,
        leaves: Vec<GivenLeave>,
        told: Told,
    },
}
