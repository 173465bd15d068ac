//! What outlives the process: files exchanged with the real server, crashes, damage.

mod composed;
pub mod contents;
mod crash;
mod damage;
mod exchange;
mod faults;
pub mod faulty;
mod held;
mod killed;
mod killed_searches;
mod stop;
mod strangers;
mod told;
mod turning;
