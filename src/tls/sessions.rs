//! Sessions that clients of TLS 1.2 may go on with by their numbers.
//!
//! Rustls's own store takes room for all of its sessions at once: megabytes before the first client comes, which counted as
//! memory in use. This one grows with them.

use std::collections::{HashMap, VecDeque};

use rustls::server::StoresServerSessions;

use crate::util::ranked::{Mutex, rank};

#[derive(Debug)]
pub struct Sessions {
    max: usize,
    kept: Mutex<KeptSessions, { rank("sessions") }>,
}

#[derive(Debug, Default)]
struct KeptSessions {
    sessions: HashMap<Vec<u8>, Vec<u8>>,
    /// Their numbers, oldest first, with some whose sessions were taken. There are no more of them than of sessions at most.
    order: VecDeque<Vec<u8>>,
}

impl Sessions {
    pub fn new(max: usize) -> Self {
        Sessions {
            max,
            kept: Mutex::default(),
        }
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, number: Vec<u8>, session: Vec<u8>) -> bool {
        let kept = &mut *self.kept.lock();
        while kept.order.len() >= self.max {
            match kept.order.pop_front() {
                Some(oldest) => drop(kept.sessions.remove(&oldest)),
                None => return false,
            }
        }
        kept.order.push_back(number.clone());
        kept.sessions.insert(number, session);
        true
    }

    fn get(&self, number: &[u8]) -> Option<Vec<u8>> {
        self.kept.lock().sessions.get(number).cloned()
    }

    fn take(&self, number: &[u8]) -> Option<Vec<u8>> {
        self.kept.lock().sessions.remove(number)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_sessions_make_room() {
        let sessions = Sessions::new(3);
        for n in 1..=5 {
            assert!(sessions.put(vec![n], vec![n, n]));
        }
        let held = |n: u8| sessions.get(&[n]).is_some();
        assert!(!held(1) && !held(2) && held(3) && held(4) && held(5));
        assert_eq!(sessions.take(&[4]), Some(vec![4, 4]));
        assert_eq!(sessions.take(&[4]), None);
        assert!(sessions.put(vec![6], vec![6, 6]));
        assert!(!held(3) && !held(4) && held(5) && held(6));
    }
}
