//! FT.INFO: what an index is of, and what it holds.

use std::collections::BTreeSet;

use super::{SEARCHES, in_line, rights, wrong_arity};
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::resp::Reply;
use crate::search::{
    CURSORS_MAX, Definition, DocumentIndex, Failures, FieldKind, FieldSpec, IndexSizes,
    IndexStatus, SourceKind,
};

pub const INFO: Command = Command {
    name: "ft.info",
    summary: "Returns information and statistics on the index",
    cost: "O(1)",
    run: Run::Read(info),
    ..SEARCHES
};

const MEGABYTE: f64 = 1024.0 * 1024.0;

fn info(call: &mut ReadCall<'_>) -> Done {
    let [name] = call.args.rest() else {
        return Err(wrong_arity("FT.INFO"));
    };
    rights::check(call.server, call.user, name)?;
    let (index, status) = {
        // Nobody waits for the index while it is measured: a copy is.
        let catalog = call.server.search.catalog.read();
        let index = catalog.get(name).ok_or(Fail::code("Unknown index name"))?;
        (index.copied(), index.status())
    };
    let cursors = call.server.search.count_cursors(&index.definition.name);
    let sizes = IndexSizes::of(&index, call.turns);
    let out = &mut *call.out;
    let open = out.open_map();
    let mut page = InfoPage { out, lines: 0 };
    about(&mut page, &index);
    held(&mut page, &index, &status, &sizes);
    rest(&mut page, &index, &status, cursors);
    let lines = page.lines;
    call.out.close(open, lines);
    Ok(Flow::Done)
}

/// The pairs of the reply, counted as they are written.
struct InfoPage<'r> {
    out: &'r mut Reply,
    lines: usize,
}

impl InfoPage<'_> {
    fn name(&mut self, name: &str) {
        self.out.simple(name);
        self.lines += 1;
    }

    fn count(&mut self, name: &str, count: usize) {
        self.name(name);
        self.out.count(count);
    }

    fn double(&mut self, name: &str, n: f64) {
        self.name(name);
        self.out.double(n);
    }
}

fn about(page: &mut InfoPage<'_>, index: &DocumentIndex) {
    let definition = &index.definition;
    page.name("index_name");
    page.out.simple(&in_line(&definition.name));
    page.name("index_options");
    let options = options(definition);
    page.out.array(options.len());
    options.iter().for_each(|option| page.out.simple(option));
    page.name("index_definition");
    rule(page.out, definition);
    page.name("attributes");
    page.out.array(definition.fields.len());
    for field in &definition.fields {
        attribute(page.out, field);
    }
}

/// The options in the order in which they are told. Where no places of words are held, none are for HIGHLIGHT.
fn options(definition: &Definition) -> Vec<&'static str> {
    let mut told = vec!["NOFREQS", "NOFIELDS", "NOOFFSETS", "NOHL", "MAXTEXTFIELDS"];
    told.retain(|option| {
        definition.has(option) || *option == "NOHL" && definition.has("NOOFFSETS")
    });
    told
}

/// Which keys are its documents, and what of them it asks beside the attributes.
fn rule(out: &mut Reply, definition: &Definition) {
    let text = |field: &Option<Box<[u8]>>| field.as_deref().map(in_line);
    let filter = definition.filter.as_ref();
    let language = definition.language.map(|language| language.name());
    let before = [
        ("filter", filter.map(|filter| in_line(&filter.text))),
        ("default_language", language.map(str::to_owned)),
        ("language_field", text(&definition.language_field)),
    ];
    let behind = [
        ("score_field", text(&definition.score_field)),
        ("payload_field", text(&definition.payload_field)),
    ];
    let said = before.iter().chain(&behind);
    out.map(3 + said.filter(|(_, text)| text.is_some()).count());
    out.simple("key_type");
    out.simple(match definition.source {
        SourceKind::Hash => "HASH",
        SourceKind::Json => "JSON",
    });
    out.simple("prefixes");
    out.array(definition.prefixes.len());
    for prefix in &definition.prefixes {
        out.simple(&in_line(prefix));
    }
    let tell = |out: &mut Reply, (name, text): (&str, Option<String>)| {
        if let Some(text) = text {
            out.simple(name);
            out.simple(&text);
        }
    };
    before.into_iter().for_each(|pair| tell(out, pair));
    out.simple("default_score");
    out.double(definition.score);
    behind.into_iter().for_each(|pair| tell(out, pair));
}

/// What is told of an attribute.
struct ToldField<'f> {
    pairs: Vec<(&'f str, String)>,
    numbers: Vec<(&'f str, u64)>,
    weight: Option<f64>,
    flags: Vec<&'f str>,
}

fn told(field: &FieldSpec) -> ToldField<'_> {
    let mut pairs: Vec<(&str, String)> = vec![
        ("identifier", in_line(&field.path)),
        ("attribute", in_line(&field.name)),
    ];
    let mut numbers: Vec<(&str, u64)> = Vec::new();
    let mut weight = None;
    let mut flags: Vec<&str> = Vec::new();
    let kind = match &field.kind {
        FieldKind::Text { .. } => "TEXT",
        FieldKind::Tag { .. } => "TAG",
        FieldKind::Numeric => "NUMERIC",
        FieldKind::Geo => "GEO",
        FieldKind::Vector(_) => "VECTOR",
    };
    pairs.push(("type", kind.into()));
    match &field.kind {
        FieldKind::Text {
            weight: held,
            no_stem,
            ..
        } => {
            weight = Some(*held);
            flags.extend(no_stem.then_some("NOSTEM"));
        }
        FieldKind::Tag {
            separator,
            case_sensitive,
        } => {
            // Zero is none: a tag is the whole text.
            let separator = Some(char::from(*separator)).filter(|sign| *sign != '\0');
            pairs.push(("SEPARATOR", separator.map(String::from).unwrap_or_default()));
            flags.extend(case_sensitive.then_some("CASESENSITIVE"));
        }
        FieldKind::Numeric | FieldKind::Geo => {}
        FieldKind::Vector(spec) => {
            let algorithm = if spec.graph.is_some() { "HNSW" } else { "FLAT" };
            pairs.push(("algorithm", algorithm.into()));
            pairs.push(("data_type", spec.numeral.name().into()));
            numbers.push(("dim", spec.dim as u64));
            if let Some(graph) = &spec.graph {
                numbers.push(("M", graph.m));
                numbers.push(("ef_construction", graph.ef_construction));
            }
        }
    }
    let sorted = [
        (field.sortable, "SORTABLE"),
        (field.sortable && field.unf, "UNF"),
        (field.no_index, "NOINDEX"),
        (field.suffix_trie, "WITHSUFFIXTRIE"),
        (field.index_empty, "INDEXEMPTY"),
        (field.index_missing, "INDEXMISSING"),
    ];
    flags.extend(sorted.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag));
    ToldField {
        pairs,
        numbers,
        weight,
        flags,
    }
}

/// One attribute: a map with its flags in RESP3, where in RESP2 the flags stand behind the pairs.
fn attribute(out: &mut Reply, field: &FieldSpec) {
    let ToldField {
        pairs,
        numbers,
        weight,
        flags,
    } = told(field);
    let metric = field.vector().map(|spec| spec.metric.name());
    let count =
        pairs.len() + numbers.len() + usize::from(weight.is_some()) + usize::from(metric.is_some());
    match out.resp3() {
        true => out.map(count + 1),
        false => out.array(2 * count + flags.len()),
    }
    for (name, text) in pairs {
        out.simple(name);
        out.simple(&text);
    }
    if let Some(weight) = weight {
        out.simple("WEIGHT");
        out.double(weight);
    }
    for (at, (name, number)) in numbers.iter().enumerate() {
        out.simple(name);
        out.int(*number as i64);
        if at == 0
            && let Some(metric) = metric
        {
            out.simple("distance_metric");
            out.simple(metric);
        }
    }
    if out.resp3() {
        out.simple("flags");
        out.array(flags.len());
    }
    flags.iter().for_each(|flag| out.simple(flag));
}

fn held(page: &mut InfoPage<'_>, index: &DocumentIndex, status: &IndexStatus, held: &IndexSizes) {
    let megabytes = |bytes: usize| bytes as f64 / MEGABYTE;
    page.count("num_docs", index.docs.len());
    page.count("max_doc_id", status.last_doc as usize);
    page.count("num_terms", index.terms.len());
    page.count("num_records", held.records);
    page.double("inverted_sz_mb", megabytes(held.list_bytes));
    page.double("vector_index_sz_mb", megabytes(held.vector_bytes));
    page.count("total_inverted_index_blocks", held.blocks);
    page.double("offset_vectors_sz_mb", 0.0);
    page.double("doc_table_size_mb", megabytes(held.table_bytes));
    page.double("sortable_values_size_mb", megabytes(held.sort_bytes));
    page.double("key_table_size_mb", megabytes(held.key_bytes));
    page.double("tag_overhead_sz_mb", megabytes(held.tag_bytes));
    page.double("text_overhead_sz_mb", megabytes(held.beside_lists()));
    page.double("total_index_memory_sz_mb", megabytes(held.total()));
    page.double("geoshapes_sz_mb", 0.0);
    let share = |part: usize, whole: usize| match whole {
        0 => f64::NAN,
        whole => part as f64 / whole as f64,
    };
    page.double("records_per_doc_avg", share(held.records, index.docs.len()));
    page.double("bytes_per_record_avg", share(held.list_bytes, held.records));
    page.double("offsets_per_term_avg", 0.0);
    page.double("offset_bits_per_record_avg", 0.0);
}

fn rest(
    page: &mut InfoPage<'_>,
    index: &DocumentIndex,
    status: &IndexStatus,
    (cursors, own): (usize, usize),
) {
    let failed: u64 = status.failures.iter().map(|one| one.count).sum();
    page.count("hash_indexing_failures", failed as usize);
    page.double("total_indexing_time", status.indexing_ms);
    let building = status.building;
    page.count("indexing", usize::from(building.is_some()));
    let share = building.map_or(1.0, |build| match build.total {
        0 => 0.0,
        total => (build.seen as f64 / total as f64).min(1.0),
    });
    page.double("percent_indexed", share);
    page.count("number_of_uses", 1);
    page.count("cleaning", 0);
    page.name("cursor_stats");
    page.out.map(4);
    let figures = [
        ("global_idle", cursors),
        ("global_total", cursors),
        ("index_capacity", CURSORS_MAX),
        ("index_total", own),
    ];
    for (name, figure) in figures {
        page.out.simple(name);
        page.out.count(figure);
    }
    if let Some(words) = &index.definition.stopwords {
        let words: BTreeSet<&String> = words.iter().collect();
        page.name("stopwords_list");
        page.out.array(words.len());
        words.iter().for_each(|word| page.out.bulk(word));
    }
    let all = Failures {
        count: failed,
        last: status.failures.iter().find_map(|one| one.last.clone()),
    };
    page.name("Index Errors");
    errors(page.out, &all);
    page.name("field statistics");
    page.out.array(status.failures.len());
    for (field, failures) in index.definition.fields.iter().zip(&status.failures) {
        page.out.map(3);
        page.out.simple("identifier");
        page.out.simple(&in_line(&field.path));
        page.out.simple("attribute");
        page.out.simple(&in_line(&field.name));
        page.out.simple("Index Errors");
        errors(page.out, failures);
    }
}

fn errors(out: &mut Reply, failures: &Failures) {
    out.map(3);
    out.simple("indexing failures");
    out.int(failures.count as i64);
    let (why, key) = match &failures.last {
        Some((why, key)) => (why.as_str(), &key[..]),
        None => ("N/A", &b"N/A"[..]),
    };
    out.simple("last indexing error");
    out.simple(why);
    out.simple("last indexing error key");
    out.bulk(key);
}
