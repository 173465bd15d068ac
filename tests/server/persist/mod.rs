//! What outlives the process: files exchanged with the real server, crashes, damage.

pub mod contents;
mod crash;
mod damage;
mod exchange;
mod faults;
pub mod faulty;
mod held;
mod killed;
mod stop;
mod turning;
