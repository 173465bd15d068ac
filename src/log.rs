//! Log lines in Redis's shape: `pid:role date level message`.
//!
//! To standard output or to `logfile`, which is opened anew for every line, so that a log that was
//! moved away is never written to unseen; and to the system log, if that is wanted as well.

use std::ffi::CString;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use jiff::Zoned;
use syslog_tracing::{Facility, Options, Syslog};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::file::open_log;
use crate::config::{Config, LogLevel, SyslogFacility};

/// Redis's levels: `debug` `.`, `verbose` `-`, `notice` `*`, `warning` `#`.
struct RedisLines {
    config: Arc<Config>,
    /// The system log adds time and level itself: it gets the message alone.
    bare: bool,
    /// Sentinels are neither masters nor replicas.
    sentinel: bool,
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
        if self.bare {
            return context.field_format().format_fields(out, event);
        }
        let sign = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let is_replica = self.config.replicaof.part(|master| master.0.is_some());
        let role = match (self.sentinel, is_replica) {
            (true, _) => 'X',
            (false, true) => 'S',
            (false, false) => 'M',
        };
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
struct LogSink {
    config: Arc<Config>,
}

impl<'a> MakeWriter<'a> for LogSink {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        let name = self.config.logfile.get();
        if name.is_empty() {
            return Box::new(std::io::stdout());
        }
        match open_log(&self.config.place_of(&name)) {
            Ok(file) => Box::new(file),
            // The line must not be lost with the file.
            Err(_) => Box::new(std::io::stdout()),
        }
    }
}

/// The lines that `loglevel` wants, which is read for every one.
fn wanted<S: Subscriber>(config: &Arc<Config>) -> impl Filter<S> + use<S> {
    let config = config.clone();
    dynamic_filter_fn(move |line: &Metadata<'_>, _: &Context<'_, S>| {
        let least = match config.loglevel.get() {
            LogLevel::Debug => Level::TRACE,
            LogLevel::Verbose => Level::DEBUG,
            LogLevel::Notice => Level::INFO,
            LogLevel::Warning => Level::WARN,
            LogLevel::Nothing => return false,
        };
        *line.level() <= least
    })
}

fn system_log(config: &Config) -> Option<Syslog> {
    let name = CString::new(config.syslog_ident.get().to_vec()).unwrap_or_default();
    let options = Options::LOG_PID | Options::LOG_NDELAY | Options::LOG_NOWAIT;
    Syslog::new(name, options, facility(config.syslog_facility.get()))
}

fn facility(facility: SyslogFacility) -> Facility {
    match facility {
        SyslogFacility::User => Facility::User,
        SyslogFacility::Local0 => Facility::Local0,
        SyslogFacility::Local1 => Facility::Local1,
        SyslogFacility::Local2 => Facility::Local2,
        SyslogFacility::Local3 => Facility::Local3,
        SyslogFacility::Local4 => Facility::Local4,
        SyslogFacility::Local5 => Facility::Local5,
        SyslogFacility::Local6 => Facility::Local6,
        SyslogFacility::Local7 => Facility::Local7,
    }
}

/// Starts logging as the configuration says.
pub fn start(config: &Arc<Config>, sentinel: bool) {
    let format = |bare| RedisLines {
        config: config.clone(),
        bare,
        sentinel,
    };
    let lines = tracing_subscriber::fmt::layer()
        .event_format(format(false))
        .with_writer(LogSink {
            config: config.clone(),
        })
        .with_filter(wanted(config));
    let syslog = config.syslog_enabled.get().then(|| system_log(config));
    let system = syslog.flatten().map(|syslog| {
        tracing_subscriber::fmt::layer()
            .event_format(format(true))
            .with_writer(syslog)
            .with_filter(wanted(config))
    });
    // A process that logs already, as a test with several servers does, goes on as it is.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(system)
        .try_init();
}
