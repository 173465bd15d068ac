//! Log lines in Redis's shape: `pid:role date level message`.
//!
//! To standard output or to `logfile`, which is opened anew for every line's batch, so that a log that was
//! moved away is never written to unseen.

use std::fmt;
use std::io::Write;

use jiff::Zoned;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Redis's levels: `debug` `.`, `verbose` `-`, `notice` `*`, `warning` `#`.
struct RedisLines;

impl<S, N> FormatEvent<S, N> for RedisLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let sign = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let now = Zoned::now();
        let millis = now.subsec_nanosecond() / 1_000_000;
        write!(out, "{}:M {}.{millis:03} {sign} ", std::process::id(), now.strftime("%d %b %Y %H:%M:%S"))?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Where lines go.
#[derive(Clone)]
pub struct Sink {
    /// Empty for standard output.
    pub file: String,
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        if self.file.is_empty() {
            return Box::new(std::io::stdout());
        }
        match std::fs::OpenOptions::new().create(true).append(true).open(&self.file) {
            Ok(file) => Box::new(file),
            // The line must not be lost with the file.
            Err(_) => Box::new(std::io::stdout()),
        }
    }
}
