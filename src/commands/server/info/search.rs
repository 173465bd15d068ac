//! INFO's sections on searches, as RediSearch has them.

use super::{Page, Report, Section};
use crate::command::modules::MODULES;
use crate::config::REDIS_VERSION;
use crate::search::{FieldKind, FieldSpec, IndexSizes};
use crate::util::turns::Turns;

/// They are shown by the module's name, or by their own.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "search_version",
        usual: false,
        write: version,
    },
    Section {
        title: "search_index",
        usual: false,
        write: |report, page| {
            let catalog = report.server.search.catalog.read();
            page.line("search_number_of_indexes", catalog.indexes.len());
        },
    },
    Section {
        title: "search_fields_statistics",
        usual: false,
        write: fields,
    },
    Section {
        title: "search_memory",
        usual: false,
        write: memory,
    },
    Section {
        title: "search_cursors",
        usual: false,
        write: |report, page| {
            let (all, _) = report.server.search.count_cursors(b"");
            // None is read while it is counted.
            page.line("search_global_idle", all);
            page.line("search_global_total", all);
        },
    },
    Section {
        title: "search_gc",
        usual: false,
        write: |_, page| {
            // What is dead goes with the edits that come after.
            for name in ["bytes_collected", "total_cycles", "total_ms_run"] {
                page.line(format_args!("search_{name}"), 0);
            }
        },
    },
    Section {
        title: "search_dialect_statistics",
        usual: false,
        write: |report, page| {
            for (dialect, was_asked) in (1..).zip(report.server.search.dialects()) {
                let name = format_args!("search_dialect_{dialect}");
                page.line(name, u8::from(was_asked));
            }
        },
    },
    Section {
        title: "search_runtime_configurations",
        usual: false,
        write: settings,
    },
];

fn version(_: &Report<'_>, page: &mut Page<'_>) {
    let module = MODULES.iter().find(|module| module.name == "search");
    let version = module.map_or(0, |module| module.version);
    let (major, minor, patch) = (version / 10000, version / 100 % 100, version % 100);
    page.line("search_version", format_args!("{major}.{minor}.{patch}"));
    page.line(
        "search_redis_version",
        format_args!("{} - oss", REDIS_VERSION),
    );
}

/// Attributes of one type: how many, and how many of them are something.
fn fields(report: &Report<'_>, page: &mut Page<'_>) {
    let catalog = report.server.search.catalog.read();
    let definitions = catalog.indexes.values().map(|index| &index.definition);
    let all: Vec<&FieldSpec> = definitions.flat_map(|held| &held.fields).collect();
    let kinds = [
        ("text", "Text"),
        ("numeric", "Numeric"),
        ("tag", "Tag"),
        ("geo", "Geo"),
        ("vector", "Vector"),
    ];
    for (name, shown) in kinds {
        let own: Vec<&&FieldSpec> = all.iter().filter(|field| kind_of(field) == name).collect();
        if own.is_empty() {
            continue;
        }
        let mut line = format!("{shown}={}", own.len());
        for (what, is) in TRAITS {
            match own.iter().filter(|field| is(field)).count() {
                0 => {}
                count => line.push_str(&format!(",{what}={count}")),
            }
        }
        page.line(format_args!("search_fields_{name}"), line);
    }
}

type Trait = (&'static str, fn(&FieldSpec) -> bool);

const TRAITS: &[Trait] = &[
    ("Sortable", |field| field.sortable),
    ("NoIndex", |field| field.no_index),
    ("CaseSensitive", |field| {
        matches!(
            field.kind,
            FieldKind::Tag {
                case_sensitive: true,
                ..
            }
        )
    }),
    ("Flat", |field| {
        field.vector().is_some_and(|spec| spec.graph.is_none())
    }),
    ("HNSW", |field| {
        field.vector().is_some_and(|spec| spec.graph.is_some())
    }),
    ("IndexErrors", |_| false),
];

fn kind_of(field: &FieldSpec) -> &'static str {
    match field.kind {
        FieldKind::Text { .. } => "text",
        FieldKind::Tag { .. } => "tag",
        FieldKind::Numeric => "numeric",
        FieldKind::Geo => "geo",
        FieldKind::Vector(_) => "vector",
    }
}

fn memory(report: &Report<'_>, page: &mut Page<'_>) {
    let (mut bytes, mut indexing_ms) = (0, 0.0);
    // Nobody waits for the indexes while they are measured: copies are.
    let catalog = report.server.search.catalog.read();
    let indexes = catalog.indexes.values();
    let copies: Vec<_> = indexes
        .map(|index| (index.copied(), index.indexing_ms))
        .collect();
    drop(catalog);
    for (index, ms) in copies {
        bytes += IndexSizes::of(&index, &Turns::none()).total();
        indexing_ms += ms;
    }
    page.line("search_used_memory_indexes", bytes);
    // RediSearch's word for it means megabytes.
    let megabytes = bytes as f64 / (1024.0 * 1024.0);
    page.line(
        "search_used_memory_indexes_human",
        format_args!("{megabytes}"),
    );
    page.line("search_total_indexing_time", format_args!("{indexing_ms}"));
}

fn settings(report: &Report<'_>, page: &mut Page<'_>) {
    let settings = report.server.search.settings.lock();
    let text = |name: &str| settings.0.get(name).map_or("", String::as_str);
    page.line("search_enableGC", "ON");
    let named = [
        ("search_minimal_term_prefix", "MINPREFIX"),
        ("search_minimal_stem_length", "MINSTEMLEN"),
        ("search_maximal_prefix_expansions", "MAXPREFIXEXPANSIONS"),
        ("search_query_timeout_ms", "TIMEOUT"),
        ("search_timeout_policy", "ON_TIMEOUT"),
        ("search_max_search_results", "MAXSEARCHRESULTS"),
        ("search_max_aggregate_results", "MAXAGGREGATERESULTS"),
    ];
    for (name, option) in named {
        let value = match text(option) {
            "unlimited" => "-1",
            value => value,
        };
        page.line(name, value);
    }
}
