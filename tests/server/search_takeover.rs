//! A folder of Redis Stack 7.4.1 is taken over with its indexes: a server of ours on it has the definitions, aliases, words that
//! mean the same and dictionaries, and finds what Stack found.

use crate::common::{Client, Server, our_server, redis_stack};

/// One index for each option, and one with a field of each type.
const INDEXES: &[&str] = &[
    "FT.CREATE plain SCHEMA t TEXT n NUMERIC",
    "FT.CREATE nooffsets NOOFFSETS SCHEMA t TEXT",
    "FT.CREATE nohl NOHL SCHEMA t TEXT",
    "FT.CREATE nofields NOFIELDS SCHEMA t TEXT",
    "FT.CREATE nofreqs NOFREQS SCHEMA t TEXT",
    "FT.CREATE wide MAXTEXTFIELDS SCHEMA t TEXT",
    "FT.CREATE short TEMPORARY 100000 PREFIX 1 temp: SCHEMA t TEXT",
    "FT.CREATE nostop STOPWORDS 0 SCHEMA t TEXT",
    "FT.CREATE stop STOPWORDS 2 foo bar SCHEMA t TEXT",
    "FT.CREATE rule PREFIX 2 d: e: FILTER @n>1 LANGUAGE french LANGUAGE_FIELD lf SCORE 0.5 SCORE_FIELD sf PAYLOAD_FIELD pf SCHEMA n NUMERIC",
    "FT.CREATE types SCHEMA t TEXT SORTABLE u TEXT NOSTEM WEIGHT 2.5 w TEXT PHONETIC dm:en v TEXT NOINDEX x AS y TEXT SORTABLE UNF \
     z TEXT WITHSUFFIXTRIE e TEXT INDEXEMPTY m TEXT INDEXMISSING k TAG l TAG SEPARATOR ; o TAG CASESENSITIVE p TAG SORTABLE \
     n NUMERIC SORTABLE g GEO",
    "FT.CREATE vectors SCHEMA f VECTOR FLAT 8 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2 BLOCK_SIZE 20 \
     h VECTOR HNSW 12 TYPE FLOAT64 DIM 4 DISTANCE_METRIC IP M 10 EF_CONSTRUCTION 20 EF_RUNTIME 30 b VECTOR FLAT 6 TYPE BFLOAT16 DIM 4 \
     DISTANCE_METRIC COSINE",
    "FT.CREATE documents ON JSON PREFIX 1 j: SCHEMA $.t AS t TAG $.n AS n NUMERIC SORTABLE $.words[*] AS w TEXT",
];

const EDITS: &[&str] = &[
    "FT.ALTER plain SCHEMA ADD k TAG",
    "FT.ALIASADD other plain",
    "FT.ALIASADD another types",
    "FT.SYNUPDATE plain greeting hello hallo",
    "FT.SYNUPDATE plain second hallo",
    "FT.DICTADD dict one two",
    "FT.SUGADD typed hello 1.5 PAYLOAD there",
    "HSET d:1 t hello n 5 k red u running w John l a;b o Big g 1,2",
    "HSET d:2 t hallo n 1 k blue w Smith",
    "HSET d:3 f 1234",
    "JSON.SET j:1 $ {\"t\":\"red\",\"n\":3,\"words\":[\"one\",\"two\"]}",
];

/// What both must answer alike.
const QUESTIONS: &[&str] = &[
    "FT.SEARCH plain hallo NOCONTENT",
    "FT.SEARCH other @k:{red} NOCONTENT",
    "FT.SEARCH another @w:jon NOCONTENT",
    "FT.SEARCH types @l:{b} NOCONTENT",
    "FT.SEARCH types @o:{big} NOCONTENT",
    "FT.SEARCH types @g:[1,2,10,km] NOCONTENT",
    "FT.SEARCH rule @n:[0,10] NOCONTENT",
    "FT.SEARCH stop foo NOCONTENT",
    "FT.SEARCH vectors *=>[KNN,1,@f,$q] PARAMS 2 q 1234 NOCONTENT DIALECT 2",
    "FT.SEARCH documents @w:two NOCONTENT",
    "FT.SEARCH documents @n:[3,3] NOCONTENT",
    "FT.DICTDUMP dict",
    "FT.SUGGET typed he WITHPAYLOADS",
    "FT.EXPLAIN plain hello",
];

fn question(client: &mut Client, line: &str) -> String {
    let args: Vec<String> = line
        .split(' ')
        .map(|word| match word.contains(',') && word.contains('[') {
            true => word.replace(',', " "),
            false => word.to_owned(),
        })
        .collect();
    let mut leaves: Vec<String> = client
        .ask_args(&args)
        .leaves()
        .iter()
        .map(|leaf| leaf.text())
        .collect();
    if line.starts_with("FT.SYN") || line.starts_with("FT._") {
        leaves.sort();
    }
    leaves.join(" ")
}

/// What FT.INFO says of the definition.
fn definition(client: &mut Client, index: &str) -> Vec<String> {
    let leaves = client.ask(&format!("FT.INFO {index}")).leaves();
    let texts = leaves.iter().map(|leaf| leaf.text());
    texts.take_while(|text| text != "num_docs").collect()
}

fn answers(client: &mut Client) -> Vec<String> {
    let mut told: Vec<String> = QUESTIONS
        .iter()
        .map(|line| question(client, line))
        .collect();
    told.push(question(client, "FT._LIST"));
    told.push(question(client, "FT.SYNDUMP plain"));
    for index in INDEXES {
        let name = index.split(' ').nth(1).unwrap();
        told.push(definition(client, name).join(" "));
    }
    told
}

#[test]
fn indexes_of_redis_stack_are_taken_over_from_its_files() {
    let Some(program) = redis_stack() else {
        return;
    };
    let log = ["--appendonly", "yes", "--save", ""];
    for (options, rewrites) in [(&["--save", ""][..], false), (&log, false), (&log, true)] {
        let real = Server::start_program(&program, options);
        let mut client = real.client();
        for line in INDEXES.iter().chain(EDITS) {
            assert!(!client.ask(line).is_error(), "{line}");
        }
        crate::common::eventually("the documents are indexed", || {
            question(&mut client, QUESTIONS[6]) == "1 d:1"
        });
        let wanted = answers(&mut client);
        if rewrites {
            client.ask("BGREWRITEAOF");
            crate::common::eventually("the log is rewritten", || {
                let info = client.ask("INFO persistence").text();
                info.contains("aof_rewrite_in_progress:0")
                    && info.contains("aof_rewrite_scheduled:0")
            });
        } else if options.len() == 2 {
            assert_eq!(client.ask("SAVE").text(), "OK");
        }
        // The log is in its file once the connection is answered, whatever becomes of the process.
        let dir = real.stop();
        let ours = Server::start_on(&our_server(), dir, options);
        let mut client = ours.client();
        let got = answers(&mut client);
        for (wanted, got) in wanted.iter().zip(&got) {
            assert_eq!(got, wanted, "{options:?}");
        }
        client.ask("HSET d:9 t hello");
        assert!(question(&mut client, "FT.SEARCH plain hello NOCONTENT").contains("d:9"));
    }
}

#[test]
fn a_replica_of_redis_stack_has_its_indexes() {
    let Some(program) = redis_stack() else {
        return;
    };
    let real = Server::start_program(&program, &["--save", ""]);
    let mut client = real.client();
    let (first, later) = EDITS.split_at(5);
    for line in INDEXES.iter().chain(first) {
        assert!(!client.ask(line).is_error(), "{line}");
    }
    let ours = Server::start(&[]);
    let mut copy = ours.client();
    copy.ask(&format!("REPLICAOF 127.0.0.1 {}", real.port));
    crate::common::eventually("the replica has the indexes", || {
        copy.ask("FT._LIST").items().len() == INDEXES.len()
    });
    // What comes behind the snapshot is in the stream.
    for line in later {
        assert!(!client.ask(line).is_error(), "{line}");
    }
    crate::common::eventually("the replica answers as its master", || {
        answers(&mut copy) == answers(&mut client)
    });
}

#[test]
fn what_can_not_be_taken_over_is_named_in_the_log() {
    let Some(program) = redis_stack() else {
        return;
    };
    for options in [&["--save", ""][..], &["--appendonly", "yes", "--save", ""]] {
        let real = Server::start_program(&program, options);
        let mut client = real.client();
        client.ask("FT.CREATE shapes SCHEMA t TEXT s GEOSHAPE FLAT");
        client.ask("FT.CREATE other SCHEMA t TEXT");
        client.ask("HSET d:1 t word");
        client.ask("SAVE");
        let ours = Server::start_on(&our_server(), real.stop(), options);
        let mut client = ours.client();
        assert_eq!(
            question(&mut client, "FT.SEARCH other word NOCONTENT"),
            "1 d:1"
        );
        assert!(ours.log().contains("'shapes'"), "{}", ours.log());
    }
}
