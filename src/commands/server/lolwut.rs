//! LOLWUT: a small drawing, another one each time, and the version.

use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Flow, ReadCall, Run};
use crate::config::REDIS_VERSION;
use crate::util::chance;

pub const LOLWUT: Command = Command {
    name: "lolwut",
    summary: "Draws something, and says the version",
    since: "5.0.0",
    flags: &[Fast],
    args: &[Arg::int("version").token("VERSION").optional()],
    run: Run::Read(lolwut),
    arity: Some(-1),
    ..Command::PLAIN
};

fn lolwut(call: &mut ReadCall<'_>) -> Done {
    if call.args.word_with("VERSION", 1) {
        // There is one drawing, whatever version is asked for.
        call.args.int()?;
    }
    let mut text = sunset(&mut chance::generator());
    text.push_str(&format!(
        "\nVermilion, at your service.\n\nRedis ver. {REDIS_VERSION}\n"
    ));
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

const WIDTH: i32 = 60;
const SKY: i32 = 9;
const SEA: i32 = 6;

/// A vermilion sun, half sunk, and its light on the waves.
fn sunset(random: &mut chance::Rng) -> String {
    let (center, radius) = (random.i32(15..WIDTH - 15), random.i32(5..8));
    let mut text = String::new();
    for height in (1..=SKY).rev() {
        let row = (0..WIDTH).map(|column| {
            // A character is twice as high as it is wide.
            let (x, y) = (f64::from(column - center) / 2.0, f64::from(height));
            match x.hypot(y) <= f64::from(radius) {
                true => '@',
                false if random.u8(..) < 2 => 'v',
                false => ' ',
            }
        });
        push_row(row, &mut text);
    }
    for depth in 0..SEA {
        let glitter = 2 * radius - depth;
        let row = (0..WIDTH).map(|column| match (column - center).abs() <= glitter {
            true if random.u8(..) < 180 => '=',
            _ if random.u8(..) < 60 => '~',
            _ => '-',
        });
        push_row(row, &mut text);
    }
    text
}

fn push_row(row: impl Iterator<Item = char>, text: &mut String) {
    let row: String = row.collect();
    text.push_str(row.trim_end());
    text.push('\n');
}
