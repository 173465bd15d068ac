//! Lua: each known fault of it as a test, what no script may change for others, how many scripts there may be, and what
//! their memory is counted as.

use std::fmt::Write;

use crate::common::{Client, Server, eventually};

fn eval(client: &mut Client, script: &str) -> String {
    let reply = client.try_ask(&["EVAL", script, "0"]).expect("an answer");
    reply.raw.escape_ascii().to_string()
}

/// Runs a script that must not harm anybody, and returns its answer.
fn harmless(script: &str) -> String {
    let server = Server::start(&[]);
    let mut client = server.client();
    let answer = eval(&mut client, script);
    assert_eq!(eval(&mut client, "return 'alive'"), "$5\\r\\nalive\\r\\n");
    answer
}

fn fails_with(script: &str, text: &str) {
    let answer = harmless(script);
    assert!(
        answer.starts_with('-') && answer.contains(text),
        "{script:.200}: {answer}"
    );
}

/// A field of INFO that is a number.
fn figure(client: &mut Client, name: &str) -> i64 {
    let info = client.ask("INFO").text();
    let mut lines = info.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect(name).parse().expect("a number")
}

/// Scripts, and what Redis 8.2.3 replied to each.
const TRANSCRIPT: &str = include_str!("lua.txt");

#[test]
fn scripts_answer_as_redis_8_does() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut lines = TRANSCRIPT.lines().filter(|line| !line.starts_with('#'));
    let (mut wrong, mut count) = (String::new(), 0);
    while let (Some(script), Some(wanted)) = (lines.next(), lines.next()) {
        let script = script.strip_prefix("> ").expect("a script");
        let wanted = wanted.strip_prefix("  ").expect("a reply");
        let answer = eval(&mut client, script);
        if answer != wanted {
            let _ = writeln!(wrong, "{script}\n  Redis {wanted}\n  ours  {answer}");
        }
        count += 1;
    }
    assert!(count > 400, "the list was read");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn cve_2015_4335_bytecode_is_not_loaded() {
    let forged =
        "local f = loadstring((string.dump(function() return 1 end):gsub('.', '%0'))) return f()";
    fails_with(forged, "attempt to call local");
    fails_with(
        "return load(function() return '\\27Lua\\81\\0\\1\\4\\8\\4\\8\\0' end)()",
        "attempt to call",
    );
    let server = Server::start(&[]);
    let answer = server.client().ask_args(&["EVAL", "\x1bLuaQ", "0"]);
    assert!(answer.is_error(), "{answer}");
}

#[test]
fn cve_2015_8080_and_2020_14147_sizes_in_formats_of_struct_do_not_overflow() {
    for script in [
        "return struct.pack('>I2147483648', 10)",
        "return struct.pack('i99999999999999999999', 1)",
        "return struct.unpack('c4294967296', 'x')",
        "return struct.size('c2147483648')",
    ] {
        fails_with(script, "integral size overflow");
    }
}

#[test]
fn cve_2018_11218_deep_and_long_values_of_cmsgpack_end_with_an_error() {
    let deep = "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t)";
    assert!(harmless(deep).starts_with(':'));
    fails_with(
        "return cmsgpack.unpack(string.rep('\\145', 100000))",
        "Bad data format",
    );
    fails_with(
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "Missing bytes",
    );
    fails_with(
        "return cmsgpack.unpack(string.rep('\\1', 100000))",
        "script:",
    );
}

#[test]
fn cve_2018_11219_positions_in_data_of_struct_do_not_overflow() {
    for script in [
        "return struct.unpack('c2147483647', 'x', 2)",
        "return struct.unpack('I4', 'abcd', 2147483647)",
        "return struct.unpack('Bc0', '\\255x')",
        "return struct.unpack('!8 c1 i8 c2147483640', string.rep('x', 20))",
    ] {
        fails_with(script, "data string too short");
    }
}

#[test]
fn cve_2021_32626_deep_values_do_not_pass_the_end_of_the_stack() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let deep = "local t = {1} for i = 1, 20000 do t = {t} end return t";
    assert!(eval(&mut client, deep).contains("reached lua stack limit"));
    // Many values at once: the stack has 8,000 places.
    let many =
        "local t = {} for i = 1, 7900 do t[i] = 'x' end return redis.call('rpush', 'l', unpack(t))";
    assert_eq!(eval(&mut client, many), ":7900\\r\\n");
    let list = "return #redis.call('lrange', 'l', 0, -1)";
    assert_eq!(eval(&mut client, list), ":7900\\r\\n");
    let json = "return #cjson.decode('[' .. string.rep('\"x\",', 20000) .. '1]')";
    assert_eq!(eval(&mut client, json), ":20001\\r\\n");
}

#[test]
fn cve_2022_24735_and_2025_46818_what_one_script_leaves_no_other_finds() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // Every name that scripts share, and every way to write.
    const WAYS: &str = "
        local shared = {_G, redis, string, math, table, os, coroutine, cjson, cmsgpack, struct, bit,
            getmetatable(''), getmetatable(_G)}
        local written = 0
        local function try(f, ...) if pcall(f, ...) then written = written + 1 end end
        for _, t in ipairs(shared) do
            try(rawset, t, 'left', 1)
            try(rawset, t, 1, 1)
            try(table.insert, t, 1)
            try(table.insert, t, 1, 1)
            try(setmetatable, t, {})
            try(setmetatable, t, nil)
            try(function() t.left = 1 end)
            try(function() t[1] = 1 end)
            try(function() t[1.5] = 1 end)
            try(function() t[t] = 1 end)
            try(function() local w = setmetatable({}, {__newindex = t}) w.left = 1 end)
            for k in next, t do
                try(function() t[k] = nil end)
                try(rawset, t, k, 1)
            end
        end
        return written";
    assert_eq!(eval(&mut client, WAYS), ":0\\r\\n");
    let found = "
        local found = 0
        for _, t in ipairs({_G, redis, string, math, table, os, coroutine, cjson, cmsgpack, struct, bit,
            getmetatable(''), getmetatable(_G)}) do
            if rawget(t, 'left') or rawget(t, 1) then found = found + 1 end
        end
        return found";
    assert_eq!(eval(&mut client, found), ":0\\r\\n");
    assert_eq!(eval(&mut client, "return #('x'):rep(3)"), ":3\\r\\n");
    // Functions share other tables.
    let library = format!(
        "#!lua name=lib\nlocal at_load = redis\nredis.register_function('ways', function() {} end)\n\
         redis.register_function('late', function() return pcall(table.insert, at_load, 1) and 1 or 0 end)",
        WAYS.replace("local shared = {_G,", "local shared = {_G, at_load,")
    );
    client.ask_args(&["FUNCTION", "LOAD", &library]);
    assert_eq!(client.ask("FCALL ways 0").int(), 0);
    assert_eq!(client.ask("FCALL late 0").int(), 0);
}

#[test]
fn cve_2022_24736_a_script_is_no_text_between_the_lines_of_a_function() {
    for script in ["end function f() ", "return 1 end return", "end) (", ""] {
        let answer = harmless(script);
        assert!(
            answer.starts_with("-ERR Error compiling") || answer == "$-1\\r\\n",
            "{script}: {answer}"
        );
    }
}

#[test]
fn cve_2022_24834_long_texts_in_cjson_and_cmsgpack_end_with_an_error_or_whole() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let long = "local s = string.rep('\\0', 2000000) return #cjson.encode(s)";
    assert_eq!(eval(&mut client, long), ":12000002\\r\\n");
    let packed = "return #cmsgpack.pack(string.rep('x', 10000000))";
    assert_eq!(eval(&mut client, packed), ":10000005\\r\\n");
}

#[test]
fn cve_2024_31449_hexadecimal_digits_of_bit_are_eight_at_most() {
    assert_eq!(
        harmless("return bit.tohex(65535, -2147483648)"),
        "$8\\r\\n0000FFFF\\r\\n"
    );
    assert_eq!(
        harmless("return bit.tohex(65535, 2147483647)"),
        "$8\\r\\n0000ffff\\r\\n"
    );
}

#[test]
fn cve_2024_46981_states_are_closed_whatever_their_collector_was_at() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for _ in 0..5 {
        let half = "collectgarbage('setstepmul', 1) local t = {} for i = 1, 1000 do t[i] = coroutine.wrap(function() \
                    error({}) end) pcall(t[i]) end collectgarbage('step', 1) return collectgarbage('stop')";
        assert_eq!(eval(&mut client, half), ":0\\r\\n");
        client.ask("SCRIPT FLUSH");
    }
    server.stop();
}

#[test]
fn cve_2025_46817_unpack_of_huge_ranges_ends_with_an_error() {
    for script in [
        "return unpack({}, 0, 2147483647)",
        "return unpack({}, -2147483648, 2147483647)",
        "return unpack({1}, -1, 2147483646)",
        "return unpack({}, 1, 8001)",
        "return {pcall(unpack, {}, 0, 2147483647)}, unpack({}, 0, 2147483647)",
    ] {
        fails_with(script, "too many results to unpack");
    }
    assert_eq!(
        harmless("return select('#', unpack({}, -2147483648, -2147483640))"),
        ":9\\r\\n"
    );
    assert_eq!(harmless("return #{[-2147483648] = 1}"), ":0\\r\\n");
}

#[test]
fn cve_2025_46819_delimiters_of_long_strings_are_counted_whole() {
    let long = "local s = string.rep('=', 1000000) return #loadstring('return [' .. s .. '[x]' .. s .. ']')()";
    assert_eq!(harmless(long), ":1\\r\\n");
    for (text, error) in [
        ("return [=", "invalid long string delimiter near \\'[=\\'"),
        ("return [=[x", "unfinished long string near \\'<eof>\\'"),
        ("--[==[x", "unfinished long comment near \\'<eof>\\'"),
        ("return [==[x]=]", "unfinished long string near \\'<eof>\\'"),
    ] {
        let answer = harmless(&format!("local f, e = loadstring('{text}') return e"));
        assert!(answer.contains(error), "{text}: {answer}");
    }
}

#[test]
fn cve_2025_49844_the_name_of_a_chunk_outlives_its_parsing() {
    // A name that nothing else holds, and a reader that makes the collector run while the text is parsed.
    let script = "
        local bad = 0
        for round = 1, 200 do
            local name = 'chunk ' .. round .. string.rep('x', 50)
            local pieces = {'local a = 1 ', 'local b = {} ', 'return a b c'}
            local at = 0
            local f, e = load(function()
                at = at + 1
                name = nil
                for i = 1, 50 do local t = {tostring(i) .. round} end
                collectgarbage('collect')
                return pieces[at]
            end, '=' .. name)
            if not string.find(e, 'chunk ' .. round .. 'x', 1, true) then bad = bad + 1 end
        end
        return bad";
    assert_eq!(harmless(script), ":0\\r\\n");
}

#[test]
fn a_text_loaded_in_pieces_stays_within_the_memory_of_a_script() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let before = server.resident_bytes();
    let script = "local piece = string.rep('x', 1000000) local f, e = load(function() return piece end) return e";
    let answer = eval(&mut client, script);
    assert!(answer.contains("not enough memory"), "{answer:.200}");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 30, "{grown}");
    assert_eq!(eval(&mut client, "return 1"), ":1\\r\\n");
}

#[test]
fn evals_500_newest_are_held_and_what_script_load_brought() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let text = |n: i64| format!("return {n}");
    let sha = |client: &mut Client, n: i64| {
        let script = format!("return redis.sha1hex('{}')", text(n));
        let sha = client.ask_args(&["EVAL_RO", &script, "0"]).text();
        // What asked is no script of the test's.
        sha
    };
    client.ask_args(&["SCRIPT", "LOAD", &text(-1)]);
    eval(&mut client, &text(-2));
    client.ask_args(&["SCRIPT", "LOAD", &text(-2)]);
    let names: Vec<String> = [-1, -2, 1, 2, 3].map(|n| sha(&mut client, n)).to_vec();
    for n in 1..=500 {
        eval(&mut client, &text(n));
    }
    let evicted = figure(&mut client, "evicted_scripts");
    assert_eq!(evicted, 5, "those that asked for names are gone");
    assert_eq!(figure(&mut client, "number_of_cached_scripts"), 502);
    // The first runs again, so the second is the oldest.
    assert_eq!(client.ask_args(&["EVALSHA", &names[2], "0"]).int(), 1);
    eval(&mut client, &text(501));
    let mut words = vec!["SCRIPT", "EXISTS"];
    words.extend(names.iter().map(|name| &name[..]));
    let held: Vec<i64> = client
        .ask_args(&words)
        .items()
        .iter()
        .map(|one| one.int())
        .collect();
    assert_eq!(held, [1, 1, 1, 0, 1]);
    let answer = client.ask_args(&["EVALSHA", &names[3], "0"]).text();
    assert!(answer.contains("NOSCRIPT"), "{answer}");
    assert_eq!(eval(&mut client, &text(2)), ":2\\r\\n");
    client.ask("CONFIG RESETSTAT");
    assert_eq!(figure(&mut client, "evicted_scripts"), 0);
    client.ask("SCRIPT FLUSH");
    assert_eq!(figure(&mut client, "number_of_cached_scripts"), 0);
    assert_eq!(figure(&mut client, "used_memory_scripts_eval"), 0);
}

#[test]
fn there_may_be_9000_scripts_and_functions() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for n in 0..9000 {
        let script = format!("return {n}");
        assert_eq!(eval(&mut client, &script), format!(":{n}\\r\\n"));
        let loaded = client.ask_args(&["SCRIPT", "LOAD", &format!("return -{n}")]);
        assert!(!loaded.is_error(), "{loaded}");
    }
    let mut library = String::from("#!lua name=lib\n");
    for n in 0..9000 {
        let _ = writeln!(
            library,
            "redis.register_function('f{n}', function() return {n} end)"
        );
    }
    let loaded = client.ask_args(&["FUNCTION", "LOAD", &library]);
    assert_eq!(loaded.text(), "lib");
    for n in (0..9000).step_by(500) {
        assert_eq!(client.ask(&format!("FCALL f{n} 0")).int(), n);
    }
    // unpack has all the room it had before.
    assert_eq!(
        eval(&mut client, "return #{unpack({}, 1, 7900)}"),
        ":0\\r\\n"
    );
}

/// A script that makes a table of 200,000 strings.
const HEAVY: &str =
    "local t = {} for i = 1, 200000 do t[i] = i .. ' is a string of its own' end return #t";

#[test]
fn what_scripts_take_is_not_counted_as_data_and_is_given_back() {
    let server = Server::start(&["--io-threads", "2", "--maxmemory", "50mb"]);
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let before = figure(&mut clients[0], "used_memory");
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(eval(client, HEAVY), ":200000\\r\\n");
        }
        for client in &mut clients {
            assert_eq!(client.ask("SET k v").text(), "OK");
        }
    }
    // Both workers have run heavy scripts, and hold little.
    let lua = figure(&mut clients[0], "used_memory_lua");
    assert!((50_000..4_000_000).contains(&lua), "{lua}");
    let grown = figure(&mut clients[0], "used_memory") - before;
    assert!(grown < 1 << 20, "{grown}");
    clients[0].ask("CONFIG SET maxmemory-policy allkeys-lru");
    for n in 0..1000 {
        clients[0].ask(&format!("SET key{n} value"));
    }
    for client in &mut clients {
        eval(client, HEAVY);
        client.ask("SET k v");
    }
    assert_eq!(figure(&mut clients[0], "evicted_keys"), 0);
}

#[test]
fn commands_within_a_heavy_script_evict_nothing() {
    let options = ["--maxmemory", "30mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Server::start(&options);
    let mut client = server.client();
    let script = "local t = {} for i = 1, 400000 do t[i] = i .. ' is a string of its own' \
                  if i % 40000 == 0 then redis.call('set', 'key' .. i, i) end end return #t";
    assert_eq!(eval(&mut client, script), ":400000\\r\\n");
    assert_eq!(client.ask("DBSIZE").int(), 10);
    assert_eq!(figure(&mut client, "evicted_keys"), 0);
}

#[test]
fn script_flush_frees_what_scripts_took_on_every_worker() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        eval(client, "return 1");
    }
    let small = figure(&mut clients[0], "used_memory_lua");
    for n in 0..400 {
        let body = format!("local s = '{n}{}' return #s", "x".repeat(20_000));
        eval(&mut clients[n % 4], &body);
    }
    let full = figure(&mut clients[0], "used_memory_lua");
    assert!(full > small + 8_000_000, "{small} {full}");
    assert!(figure(&mut clients[0], "used_memory_scripts_eval") > 8_000_000);
    clients[0].ask("SCRIPT FLUSH");
    let mut client = server.client();
    eventually("Lua's memory is as it was", || {
        figure(&mut client, "used_memory_lua") < small + 500_000
    });
}

#[test]
fn a_worker_without_scripts_to_run_collects_garbage() {
    let server = Server::start(&[]);
    let mut client = server.client();
    eval(&mut client, "return 1");
    let small = figure(&mut client, "used_memory_lua");
    let light =
        "local t = {} for i = 1, 8000 do t[i] = i .. ' is a string of its own' end return #t";
    eval(&mut client, light);
    assert!(figure(&mut client, "used_memory_lua") > small + 500_000);
    eventually("garbage is collected", || {
        figure(&mut client, "used_memory_lua") < small + 100_000
    });
}

#[test]
fn what_is_called_is_looked_for_before_its_keys_are_counted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask_args(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=lib\nredis.register_function('f', function() return 1 end)",
    ]);
    for (words, wanted) in [
        ("FCALL nosuch x", "ERR Function not found"),
        ("FCALL nosuch -1", "ERR Function not found"),
        ("FCALL nosuch 5", "ERR Function not found"),
        ("FCALL f x", "ERR Bad number of keys provided"),
        ("FCALL f -1", "ERR Number of keys can't be negative"),
        (
            "FCALL f 9",
            "ERR Number of keys can't be greater than number of args",
        ),
        (
            "EVALSHA abc x",
            "NOSCRIPT No matching script. Please use EVAL.",
        ),
        (
            "EVALSHA ffffffffffffffffffffffffffffffffffffffff x",
            "ERR value is not an integer or out of range",
        ),
    ] {
        let answer = client.try_ask(&words.split(' ').collect::<Vec<_>>());
        let answer = answer.expect("an answer").raw;
        assert_eq!(answer, format!("-{wanted}\r\n").into_bytes(), "{words}");
    }
}

#[test]
fn functions_see_globals_of_their_own_and_change_none() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let library = "#!lua name=lib\nlocal register, at_load = redis.register_function, redis\n\
        register('globals', function() local t = {} for k in next, _G do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ') end)\n\
        register('redis', function() local t = {} for k in next, redis do t[#t + 1] = k end table.sort(t) return table.concat(t, ' ') end)\n\
        register('keys', function() return KEYS end)\n\
        register('write', function() left = 1 end)\n\
        register('at_load', function() at_load.left = 1 end)\n\
        register('late', function() register('x', function() end) end)\n\
        register('loaded', function() loadstring('left = 1')() end)\n\
        register('given', function(...) return select('#', ...) end)\n\
        register('pattern', function() string.match('x', '[') end)";
    assert_eq!(
        client.ask_args(&["FUNCTION", "LOAD", library]).text(),
        "lib"
    );
    eval(&mut client, "return 1");
    for (function, wanted) in [
        (
            "globals",
            "_G _VERSION assert bit cjson cmsgpack collectgarbage coroutine error gcinfo getmetatable ipairs load loadstring math next os pairs pcall rawequal rawget rawset redis select setmetatable string struct table tonumber tostring type unpack xpcall",
        ),
        (
            "redis",
            "LOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM REPL_ALL REPL_AOF REPL_NONE REPL_REPLICA REPL_SLAVE acl_check_cmd call error_reply log pcall set_repl setresp sha1hex status_reply",
        ),
        (
            "keys",
            "ERR user_function:5: Script attempted to access nonexistent global variable 'KEYS' script: keys, on @user_function:5.",
        ),
        (
            "write",
            "ERR user_function:6: Attempt to modify a readonly table script: write, on @user_function:6.",
        ),
        (
            "at_load",
            "ERR user_function:7: Attempt to modify a readonly table script: at_load, on @user_function:7.",
        ),
        (
            "late",
            "ERR redis.register_function can only be called on FUNCTION LOAD command script: late, on @user_function:8.",
        ),
        (
            "loaded",
            "ERR [string \"left = 1\"]:1: Attempt to modify a readonly table script: loaded, on left = 1:1.",
        ),
        (
            "pattern",
            "ERR user_function:11: malformed pattern (missing ']') script: pattern, on @user_function:11.",
        ),
    ] {
        let answer = client.ask(&format!("FCALL {function} 0")).text();
        assert_eq!(answer, wanted, "{function}");
    }
    assert_eq!(client.ask("FCALL given 0").int(), 2);
    for (code, wanted) in [
        ("left = 1", "Attempt to modify a readonly table"),
        (
            "table.insert(_G, 1)",
            "Script attempted to access nonexistent global variable 'table'",
        ),
        (
            "redis.call('get', 'x')",
            "Script attempted to access nonexistent global variable 'call'",
        ),
    ] {
        let code = format!("#!lua name=bad\n{code}");
        let answer = client.ask_args(&["FUNCTION", "LOAD", &code]).text();
        let wanted = format!("ERR Error registering functions: ERR user_function:2: {wanted}");
        assert_eq!(answer, wanted);
    }
}
