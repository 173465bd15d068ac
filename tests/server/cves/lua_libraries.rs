//! The libraries of scripts: formats and encoded values that were longer, deeper or shorter than they said.

use crate::common::Server;

use super::lua::refused;
use super::{eval, is_well};

#[test]
fn cve_2015_8080_sizes_in_a_format_do_not_wrap() {
    refused(&[
        ("return struct.pack('I2147483648', 7)", "integral size"),
        ("return struct.pack('>i4294967297', 7)", "integral size"),
        (
            "return struct.unpack('I4294967300', 'seven')",
            "integral size",
        ),
        ("return struct.pack('!2147483649i4', 7)", "ERR"),
    ]);
}

#[test]
fn cve_2020_14147_sizes_of_many_digits_do_not_wrap() {
    let digits = "9".repeat(400);
    let script = |head: &str, tail: &str| format!("return struct.{head}{digits}{tail}");
    refused(&[
        (&script("pack('I", "', 7)"), "integral size"),
        (&script("unpack('i", "', 'seven')"), "integral size"),
        (&script("unpack('c", "', 'seven')"), "ERR"),
        (&script("size('c", "')"), "ERR"),
    ]);
}

#[test]
fn cve_2018_11218_packed_nests_and_counts_fit_the_stack() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // Arrays in arrays, deeper than any stack; and counts of what does not follow.
    for script in [
        "return #cmsgpack.unpack(string.rep('\\145', 200000) .. '\\1')",
        "return #cmsgpack.unpack(string.rep('\\129', 200000) .. '\\1')",
        "return #cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return #cmsgpack.unpack('\\223\\255\\255\\255\\255\\1')",
        "return cmsgpack.unpack_limit(string.rep('\\1', 20000), 20000)",
        "return {cmsgpack.unpack(string.rep('\\1', 20000))}",
    ] {
        let answer = eval(&mut client, script);
        assert!(!answer.is_empty(), "{script}");
        is_well(&server);
    }
    let deep = "local t = {} for i = 1, 100000 do t = {t} end return #cmsgpack.pack(t)";
    let answer = eval(&mut client, deep);
    assert!(
        answer.starts_with(':') || answer.starts_with('-'),
        "{answer}"
    );
    is_well(&server);
}

#[test]
fn cve_2018_11219_places_in_a_string_do_not_wrap() {
    refused(&[
        (
            "return struct.unpack('I4', 'four', 2147483647)",
            "data string too short",
        ),
        (
            "return struct.unpack('c2147483647', 'four', 2147483647)",
            "data string too short",
        ),
        (
            "return struct.unpack('I1c0', '\\255four')",
            "data string too short",
        ),
        ("return struct.unpack('I4', 'four', -1)", "ERR"),
        ("return struct.unpack('I4', 'four', 0)", "ERR"),
        ("return struct.unpack('I4', 'four', 2^53)", "ERR"),
    ]);
}

#[test]
fn cve_2022_24834_encoded_text_has_the_room_that_it_needs() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // Each of these bytes is six in JSON.
    assert_eq!(
        eval(
            &mut client,
            "return #cjson.encode(string.rep('\\1', 3000000))"
        ),
        ":18000002\r\n"
    );
    let nested = "local s = string.rep('\\31', 100000) local t = {} \
        for i = 1, 50 do t[i] = s end return #cjson.encode(t)";
    assert_eq!(
        eval(&mut client, nested),
        format!(":{}\r\n", 50 * 600_002 + 49 + 2)
    );
    let key = "return #cjson.encode({[string.rep('\\127', 200000)] = 1})";
    assert_eq!(eval(&mut client, key), format!(":{}\r\n", 6 * 200_000 + 6));
    assert_eq!(
        eval(
            &mut client,
            "return #cmsgpack.pack(string.rep('x', 5000000))"
        ),
        ":5000005\r\n"
    );
    is_well(&server);
}

#[test]
fn cve_2024_31449_hexadecimal_digits_are_eight_at_most() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (digits, told) in [
        ("-2147483648", "0000BEEF"),
        ("-2147483647", "0000BEEF"),
        ("2147483647", "0000beef"),
        ("-9", "0000BEEF"),
        ("-3", "EEF"),
        ("0", ""),
    ] {
        let answer = eval(&mut client, &format!("return bit.tohex(48879, {digits})"));
        assert_eq!(
            answer,
            format!("${}\r\n{told}\r\n", told.len()),
            "{digits} digits"
        );
    }
    is_well(&server);
}
