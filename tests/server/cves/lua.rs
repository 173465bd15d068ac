//! Scripts that broke out of the interpreter, or broke it.

use crate::common::{Client, Server, encode, eventually};

use super::{eval, is_well, raw, say};

/// Each of the scripts is answered with an error that holds these words.
pub(super) fn refused(scripts: &[(&str, &str)]) {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (script, why) in scripts {
        let answer = eval(&mut client, script);
        assert!(
            answer.starts_with('-') && answer.contains(why),
            "{script}: {answer}"
        );
    }
    is_well(&server);
}

#[test]
fn cve_2015_4335_compiled_code_is_not_loaded() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for script in [
        "local f = loadstring(string.dump(function() return 1 end)) return f and 'loaded' or 'refused'",
        "local code, at = '\\27Lua\\81\\0\\1\\4\\8\\4\\8\\0', 0 \
         local f = load(function() at = at + 1 if at <= #code then return code:sub(at, at) end end) \
         return f and 'loaded' or 'refused'",
        "local f = loadstring('\\27') return f and 'loaded' or 'refused'",
    ] {
        let answer = eval(&mut client, script);
        assert!(!answer.contains("loaded"), "{script}: {answer}");
    }
    for body in [&b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00"[..], b"\x1b"] {
        let answer = raw(&mut client, &[&b"EVAL"[..], body, b"0"]);
        assert!(answer.starts_with('-'), "{answer}");
        assert!(raw(&mut client, &[&b"SCRIPT"[..], b"LOAD", body]).starts_with('-'));
        let library = [b"#!lua name=l\n", body].concat();
        assert!(raw(&mut client, &[&b"FUNCTION"[..], b"LOAD", &library]).starts_with('-'));
    }
    is_well(&server);
}

#[test]
fn cve_2021_32626_values_that_do_not_fit_the_stack_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let many = "local t = {} for i = 1, 100000 do t[i] = 1 end ";
    for use_of in [
        "return redis.call('ECHO', unpack(t))",
        "return #cmsgpack.pack(unpack(t))",
        "return #struct.pack(string.rep('b', #t), unpack(t))",
        "return {struct.unpack(string.rep('b', #t), string.rep('x', #t))}",
        "return {cmsgpack.unpack(string.rep('\\1', #t))}",
        "return string.format(string.rep('%d', #t), unpack(t))",
        "return {string.byte(string.rep('x', #t), 1, -1)}",
        "local s = {} for i = 1, 100000 do s = {s} end return s",
        "local s = {} for i = 1, 100000 do s = {s} end return cjson.encode(s)",
        "return cjson.decode(string.rep('[', 100000))",
        "local f f = function(n) return n == 0 and 0 or 1 + f(n - 1) end return f(1000000)",
        "return (string.rep('x', 300000)):find(string.rep('x?', 300000) .. 'y')",
    ] {
        let answer = eval(&mut client, &format!("{many}{use_of}"));
        assert!(!answer.is_empty());
        is_well(&server);
    }
}

/// A debugger that is asked for reads the connection itself; in Valkey its list of commands outlived the
/// interpreter (GHSA-fq2f-crmw-q97r).
#[test]
fn cve_2021_32672_a_debugger_reads_no_further_than_it_was_sent() {
    let server = Server::start(&[]);
    for told in [
        &b"*-1\r\n"[..],
        b"*1\r\n$-7\r\n",
        b"*9999999\r\n",
        b"*2\r\n$5\r\nbreak\r\n$999\r\nx",
        b"\r\n\0\xff",
    ] {
        for mode in ["YES", "SYNC"] {
            let mut client = server.client();
            say(&mut client, &format!("SCRIPT DEBUG {mode}"));
            let _ = client.send(&encode(&["EVAL", "local a = 1 return a", "0"]));
            let _ = client.send(told);
            let _ = client.finish();
            assert_eq!(say(&mut server.client(), "SCRIPT FLUSH"), "+OK\r\n");
        }
        is_well(&server);
    }
}

#[test]
fn cve_2022_0543_no_library_leads_out_of_the_sandbox() {
    let names = [
        "package", "require", "module", "io", "debug", "dofile", "loadfile", "newproxy", "print",
    ];
    for name in names {
        refused(&[(
            &format!("return type({name})"),
            "nonexistent global variable",
        )]);
    }
    for field in [
        "execute",
        "exit",
        "getenv",
        "remove",
        "rename",
        "tmpname",
        "setlocale",
    ] {
        let server = Server::start(&[]);
        let answer = eval(&mut server.client(), &format!("return type(os['{field}'])"));
        assert_eq!(answer, "$3\r\nnil\r\n", "os.{field}");
    }
}

/// What one script does to tables that all share is refused, whichever way it takes.
#[test]
fn cve_2022_24735_nothing_stays_behind_for_the_next_script() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let tables = [
        "_G",
        "redis",
        "string",
        "table",
        "math",
        "bit",
        "cjson",
        "cmsgpack",
        "struct",
        "os",
        "coroutine",
    ];
    for table in tables {
        for way in [
            format!("{table}.planted = 1"),
            format!("{table}[1] = 1"),
            format!("table.insert({table}, 1)"),
            format!("rawset({table}, 'planted', 1)"),
            format!("setmetatable({table}, {{}})"),
            format!("getmetatable({table}).__index = function() return 1 end"),
            format!("getmetatable({table}).__newindex = nil"),
        ] {
            let answer = eval(&mut client, &way);
            assert!(answer.starts_with('-'), "{way}: {answer}");
        }
        let look =
            format!("return {{rawget({table}, 'planted') == nil, rawget({table}, 1) == nil}}");
        assert_eq!(eval(&mut client, &look), "*2\r\n:1\r\n:1\r\n", "{table}");
    }
    // Ways that are no error, and have changed nothing.
    for way in [
        "table.sort(_G)",
        "table.remove(redis)",
        "for name in pairs(string) do string = nil end",
    ] {
        eval(&mut client, way);
    }
    assert_eq!(
        eval(&mut client, "return string.rep('x', 3)"),
        "$3\r\nxxx\r\n"
    );
    is_well(&server);
}

#[test]
fn cve_2022_24736_the_guard_of_globals_needs_no_caller() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for script in [
        "return coroutine.wrap(function() planted = 1 end)()",
        "return coroutine.wrap(function() return planted end)()",
        "local ok, why = pcall(getmetatable(_G).__newindex, _G, 'planted', 1) return error(why)",
        "local _, why = xpcall(function() planted = 1 end, function() return 1 end) return error(tostring(why))",
        "return _G[{}]",
        "local t = setmetatable({}, {__index = _G}) return t.planted",
        "error()",
        "error(nil)",
        "error({})",
        "error({err = {}})",
        "error({err = ''})",
    ] {
        let answer = eval(&mut client, script);
        assert!(answer.starts_with('-'), "{script}: {answer}");
        is_well(&server);
    }
}

#[test]
fn cve_2024_46981_what_the_collector_frees_is_used_by_nobody() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for round in 0..60 {
        let script = format!(
            "local held = {{}} \
             for i = 1, 200 do \
               local c = coroutine.create(function(a) local up = {{a}} coroutine.yield(function() return up end) end) \
               local _, f = coroutine.resume(c, i) held[i % 7] = f \
               setmetatable({{}}, {{__gc = function() held = nil end, __mode = 'kv'}}) \
               if i % 20 == 0 then collectgarbage('collect') collectgarbage('step', 100) end \
             end \
             return held[1]()[1] + {round} - {round}"
        );
        for client in &mut clients {
            assert_eq!(eval(client, &script), ":197\r\n");
        }
        if round % 5 == 0 {
            let how = if round % 2 == 0 { "SYNC" } else { "ASYNC" };
            assert_eq!(
                say(&mut clients[0], &format!("SCRIPT FLUSH {how}")),
                "+OK\r\n"
            );
        }
    }
    is_well(&server);
}

#[test]
fn cve_2025_46817_a_range_to_unpack_does_not_wrap() {
    let why = "too many results to unpack";
    refused(&[
        ("return unpack({}, 0, 2147483647)", why),
        ("return {unpack({}, -2147483648, 2147483647)}", why),
        ("return {unpack({}, -2147483648, 0)}", why),
        ("return {unpack({}, 2, 2147483647)}", why),
        ("return {unpack({1, 2}, 1, 100000000)}", why),
    ]);
}

#[test]
fn cve_2025_46818_methods_of_plain_values_are_everybodys() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for script in [
        "getmetatable('').__index = function() return 'caught' end",
        "getmetatable('').__index.upper = function() return 'caught' end",
        "getmetatable('').__eq = function() return true end",
        "getmetatable('')[1] = 1",
        "table.insert(getmetatable(''), 1)",
        "table.insert(getmetatable('').__index, 1)",
        "rawset(getmetatable(''), '__add', 1)",
        "setmetatable(getmetatable(''), nil)",
    ] {
        let answer = eval(&mut client, script);
        assert!(answer.starts_with('-'), "{script}: {answer}");
    }
    assert_eq!(eval(&mut client, "return ('x'):upper()"), "$1\r\nX\r\n");
    for value in ["1", "true", "nil", "function() end"] {
        let look = format!("return getmetatable({value}) == nil");
        assert_eq!(eval(&mut client, &look), ":1\r\n", "{value}");
    }
    is_well(&server);
}

#[test]
fn cve_2025_46819_long_brackets_end_where_the_text_ends() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for level in [0, 1, 2, 5, 100, 70_000] {
        let signs = "=".repeat(level);
        let whole = format!("return [{signs}[x]{signs}]");
        assert_eq!(eval(&mut client, &whole), "$1\r\nx\r\n", "{level}");
        for cut in [
            format!("return [{signs}"),
            format!("return [{signs}["),
            format!("return [{signs}[x"),
            format!("return [{signs}[x]{signs}"),
            format!("return [{signs}[x]{signs}="),
            format!("--[{signs}[x]"),
            format!("return [{signs}[\r\n\n\r]{signs}"),
        ] {
            let answer = eval(&mut client, &cut);
            assert!(
                answer.starts_with("-ERR Error compiling script"),
                "{level}: {answer}"
            );
        }
    }
    is_well(&server);
}

#[test]
fn cve_2025_49844_the_name_of_what_is_compiled_outlives_the_collector() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let script = "local kept = 0 \
        for i = 1, 3000 do \
          collectgarbage('step', i % 9) \
          local f, why = loadstring('local a = ' .. string.rep('{', i % 40) .. (i % 3 == 0 and '' or string.rep('}', i % 40)) .. ' return 1', '=' .. string.rep(tostring(i), i % 50)) \
          if f then kept = kept + 1 elseif not why:find('expected') and not why:find('unexpected') then return why end \
        end return kept > 1000 and 1 or kept";
    for _ in 0..5 {
        assert_eq!(eval(&mut client, script), ":1\r\n");
    }
    // The parser gives up at each place in turn.
    let whole = "local a, b = {x = 'y', [1] = {2}}, function(...) for i = 1, 2 do if a then return ... end end end return 'done'";
    for cut in 0..whole.len() {
        let answer = eval(&mut client, &whole[..cut]);
        assert!(
            answer.starts_with('-') || answer.starts_with('$'),
            "{cut}: {answer}"
        );
    }
    assert_eq!(eval(&mut client, whole), "$4\r\ndone\r\n");
    is_well(&server);
}

/// A script's text is one reply, whatever it holds.
#[test]
fn cve_2025_67733_no_reply_is_hidden_in_another() {
    let server = Server::start(&[]);
    for hello in ["PING", "HELLO 3"] {
        let mut client = server.client();
        say(&mut client, hello);
        for script in [
            "return redis.error_reply('A\\r\\n:41')",
            "return redis.status_reply('A\\r\\n:41')",
            "return {err = 'A\\r\\n:41\\r\\n$-1'}",
            "return {ok = 'A\\n:41'}",
            "error('A\\r\\n:41')",
            "error({err = 'A\\r\\n:41'})",
            "return {1, {err = 'A\\r\\n:41'}, {ok = '\\r'}}",
            "return {double = 1, map = {a = {ok = '\\r\\n:41'}}}",
            "return redis.pcall('GET\\r\\n:41')",
            "return redis.call('CONFIG', 'SET\\r\\n:41', 'x')",
            "return _G['a\\r\\n:41']",
            "redis.setresp(3) return {big_number = '1\\r\\n:41'}",
            "redis.setresp(3) return {verbatim_string = {format = 't\\r\\n', string = 'x\\r\\n:41'}}",
        ] {
            for frame in [
                &["EVAL", script, "0"][..],
                &["MULTI"],
                &["EVAL", script, "0"],
                &["EXEC"],
            ] {
                let reply = client.try_ask(frame).expect("an answer");
                let text = String::from_utf8_lossy(&reply.raw).into_owned();
                assert_eq!(
                    say(&mut client, "ECHO next"),
                    match frame[0] {
                        "MULTI" | "EVAL" if text.contains("QUEUED") || frame[0] == "MULTI" =>
                            "+QUEUED\r\n",
                        _ => "$4\r\nnext\r\n",
                    },
                    "after {script}: {text}"
                );
            }
        }
    }
    is_well(&server);
}

/// A full sync takes the functions away while one of them runs.
#[test]
fn cve_2026_23631_a_function_that_runs_outlives_a_full_sync() {
    let master = Server::start(&["--repl-diskless-sync-delay", "1"]);
    let replica = Server::start(&["--replica-read-only", "no", "--busy-reply-threshold", "50"]);
    let library =
        "#!lua name=slow\nredis.register_function('slow', function() while true do end end)";
    let mut client = replica.client();
    assert_eq!(
        raw(&mut client, &["FUNCTION", "LOAD", library]),
        "$4\r\nslow\r\n"
    );
    let mut other = replica.client();
    say(&mut other, &format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the replica asks for a sync", || {
        master.client().info_number("connected_slaves") == 1
    });
    client.send(&encode(&["FCALL", "slow", "0"])).expect("sent");
    eventually("the function is busy", || {
        say(&mut other, "GET k").contains("BUSY")
    });
    eventually("the function ends", || {
        say(&mut other, "FUNCTION KILL") == "+OK\r\n"
    });
    assert!(String::from_utf8_lossy(&client.receive().expect("an answer").raw).starts_with("-ERR"));
    eventually("the link comes up", || {
        other
            .ask("INFO replication")
            .text()
            .contains("master_link_status:up")
    });
    say(&mut master.client(), "SET k v");
    eventually("the replica follows", || {
        say(&mut other, "GET k") == "$1\r\nv\r\n"
    });
    is_well(&replica);
}
