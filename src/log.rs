//! Log lines in Redis's shape: `pid:role date level message`.
//!
//! To standard output or to `logfile`, which is opened anew for every line, so that a log that was
//! moved away is never written to unseen.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Zoned;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogLevel};

/// Redis's levels: `debug` `.`, `verbose` `-`, `notice` `*`, `warning` `#`.
struct RedisLines {
    config: Arc<Config>,
}

impl<S, N> FormatEvent<S, N> for RedisLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let sign = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let is_replica = self.config.replicaof.part(|master| master.0.is_some());
        let role = if is_replica { 'S' } else { 'M' };
        let now = Zoned::now();
        let millis = now.subsec_nanosecond() / 1_000_000;
        write!(
            out,
            "{}:{role} {}.{millis:03} {sign} ",
            std::process::id(),
            now.strftime("%d %b %Y %H:%M:%S")
        )?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Where lines go.
struct Sink {
    /// Empty for standard output.
    file: PathBuf,
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        if self.file.as_os_str().is_empty() {
            return Box::new(std::io::stdout());
        }
        match std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
        {
            Ok(file) => Box::new(file),
            // The line must not be lost with the file.
            Err(_) => Box::new(std::io::stdout()),
        }
    }
}

/// Starts logging as the configuration says; its `loglevel` is read for every line.
pub fn start(config: &Arc<Config>) {
    let sink = Sink {
        file: config.logfile.path(),
    };
    let (config, kept) = (config.clone(), config.clone());
    let shown = dynamic_filter_fn(move |line, _| {
        let least = match config.loglevel.get() {
            LogLevel::Debug => Level::TRACE,
            LogLevel::Verbose => Level::DEBUG,
            LogLevel::Notice => Level::INFO,
            LogLevel::Warning => Level::WARN,
            LogLevel::Nothing => return false,
        };
        *line.level() <= least
    });
    let lines = tracing_subscriber::fmt::layer()
        .event_format(RedisLines { config: kept })
        .with_writer(sink)
        .with_filter(shown);
    // A process that logs already, as a test with several servers does, goes on as it is.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
