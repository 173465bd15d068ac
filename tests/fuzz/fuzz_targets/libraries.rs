//! cjson, cmsgpack and struct: what is read is written so that the same is read again.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vermilion::resp::value::Value;
use vermilion_fuzz::{ask, server};

/// It answers nothing where all is well, and says what is not.
const SCRIPT: &str = r#"
local function same(a, b, depth)
  if a ~= a and b ~= b then return true end
  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b end
  if depth > 200 then return true end
  -- A key that is a table is another one each time.
  for key, value in pairs(a) do
    if type(key) ~= 'table' and key == key and not same(value, rawget(b, key), depth + 1) then return false end
  end
  for key in pairs(b) do
    if type(key) ~= 'table' and key == key and rawget(a, key) == nil then return false end
  end
  return true
end
local function holds(read, write, text)
  local read_once, value = pcall(read, text)
  if not read_once then return end
  local written, out = pcall(write, value)
  if not written then return end
  local read_again, again = pcall(read, out)
  if not read_again then return 'its own text is refused: ' .. tostring(again) end
  local written_again, out_again = pcall(write, again)
  if not written_again then return 'what it read again is not written' end
  -- Digits are lost once, and not again.
  local _, third = pcall(read, out_again)
  if not same(again, third, 0) then return 'it becomes another value' end
end
local kind, text = ARGV[1], ARGV[2]
if kind == 'cjson' then return holds(cjson.decode, cjson.encode, text) end
if kind == 'cmsgpack' then
  pcall(cmsgpack.unpack_limit, text, 2, 0)
  return holds(cmsgpack.unpack_one and function(t) return (select(2, cmsgpack.unpack_one(t))) end or cmsgpack.unpack, cmsgpack.pack, text)
end
local format, body = ARGV[3], text
pcall(struct.size, format)
local got = {pcall(struct.unpack, format, body)}
if got[1] and #got < 200 then
  local packed, out = pcall(struct.pack, format, unpack(got, 2, #got - 1))
  if packed and #out > #body + #format * 16 then return 'it packs more than there was' end
end
"#;

fn sha() -> &'static [u8] {
    static SHA: OnceLock<Vec<u8>> = OnceLock::new();
    SHA.get_or_init(|| {
        let load = ["SCRIPT", "LOAD", SCRIPT]
            .map(|word| word.as_bytes().to_vec())
            .to_vec();
        match ask(server(&[]), &[load]).pop() {
            Some(Value::Bulk(sha)) => sha.to_vec(),
            other => panic!("the script is refused: {other:?}"),
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let name: &[u8] = match kind % 3 {
        0 => b"cjson",
        1 => b"cmsgpack",
        _ => b"struct",
    };
    let (format, text) = match kind % 3 {
        2 => rest.split_at(rest.len().min(usize::from(kind / 3) % 24)),
        _ => (&b""[..], rest),
    };
    let command = [b"EVALSHA", sha(), b"0", name, text, format]
        .map(<[u8]>::to_vec)
        .to_vec();
    let replies = ask(server(&[]), &[command]);
    let reply = replies.first().expect("a script is answered");
    assert!(matches!(reply, Value::NullBulk | Value::Null), "{reply:?}");
});
