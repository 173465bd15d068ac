//! `vermilion`, or `redis-server`: the command line, and what it starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    vermilion::cli::main()
}
