//! What outlives the process: files exchanged with the real server, crashes, damage.

pub mod contents;
mod crash;
mod damage;
mod exchange;
mod faults;
mod faulty;
mod killed;
mod stop;
mod turning;
