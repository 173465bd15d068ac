//! Replies of every type, for tests of clients.

use crate::command::{Done, Fail, Flow, WriteCall};

pub fn error(call: &mut WriteCall<'_>) -> Done {
    let text = call.args.next()?;
    call.out.error(text);
    Ok(Flow::Done)
}

pub fn protocol(call: &mut WriteCall<'_>) -> Done {
    let kind = call.args.next()?.to_ascii_lowercase();
    let out = &mut *call.out;
    match kind.as_slice() {
        b"string" => out.bulk("Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(3141.0 / 1000.0),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.bool(n == 1);
            }
        }
        b"attrib" => {
            if out.resp3() {
                out.raw(b"|1\r\n");
                out.bulk("key-popularity");
                out.array(2);
                out.bulk("key:123");
                out.int(90);
            }
            out.bulk("Some real reply following the attribute");
        }
        b"push" if out.resp3() => {
            out.push(2);
            out.bulk("server-cpu-usage");
            out.int(42);
            out.bulk("Some real reply following the push reply");
        }
        b"push" => return Err(Fail::Says("RESP2 is not supported by this command")),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.bool(true),
        b"false" => out.bool(false),
        _ => {
            return Err(Fail::Says(
                "Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(Flow::Done)
}
