//! The scanner against serde_json, on generated heads and on hostile bytes, and the known leniencies one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn decode_json(header: &[u8]) -> Result<Owned, HeadError> {
    let mut scratch = Scratch::new();
    // What an earlier head left behind must not show.
    let _ = decode(
        HeadType::Json,
        br#"{"code":9,"remark":"\u0041","extFields":{"old":"\n"}}"#,
        b"",
        &mut scratch,
    );
    decode(HeadType::Json, header, b"", &mut scratch).map(|request| Owned::from(&request))
}

/// A decoded head without its borrows.
#[derive(Debug, PartialEq)]
struct Owned {
    numbers: [i32; 4],
    language: Language,
    remark: Option<String>,
    ext: Vec<(String, String)>,
}

impl From<&Request<'_>> for Owned {
    fn from(request: &Request<'_>) -> Self {
        let ext = request
            .ext
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Owned {
            numbers: [request.code, request.version, request.opaque, request.flag],
            language: request.language,
            remark: request.remark.map(str::to_owned),
            ext,
        }
    }
}

/// What the scanner should make of a head that serde_json could read.
fn expected(head: &Map<String, Value>) -> Option<Owned> {
    let integer = |name: &str| match head.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let language = match head.get("language").and_then(text) {
        None => Language::Java,
        Some(name) => match name.parse() {
            Ok(ordinal) => Language::from_ordinal(ordinal),
            Err(_) => Language::from_name(&name),
        },
    };
    let ext = match head.get("extFields") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(fields)) => fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
            .collect(),
        Some(_) => return None,
    };
    Some(Owned {
        numbers: [
            integer("code")?,
            integer("version")?,
            integer("opaque")?,
            integer("flag")?,
        ],
        language,
        remark: head.get("remark").and_then(text),
        ext,
    })
}

/// Text with everything that needs care: escapes, property separators, all of Unicode.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_%-]{0,20}",
        "[\\x00-\\x7f]{0,24}",
        "\\PC{0,12}",
        "(KEYS\\x01[a-z]{1,8}\\x02){0,4}",
        any::<String>().prop_map(|text| text.chars().take(16).collect()),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        6 => any_text().prop_map(Value::String),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((any_text(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_head() -> impl Strategy<Value = Map<String, Value>> {
    let ext = prop::collection::vec((any_text(), any_value()), 0..16);
    let extra = prop::collection::vec((any_text(), any_value()), 0..3);
    let language = prop_oneof![
        Just(json!("GO")),
        Just(json!("CPP")),
        Just(json!(3)),
        any_value()
    ];
    (
        any::<[i32; 4]>(),
        language,
        prop::option::of(any_text()),
        ext,
        extra,
    )
        .prop_map(|(numbers, language, remark, ext, extra)| {
            let mut head: Map<String, Value> = extra.into_iter().collect();
            head.insert("code".into(), json!(numbers[0]));
            head.insert("version".into(), json!(numbers[1]));
            head.insert("opaque".into(), json!(numbers[2].to_string()));
            head.insert("flag".into(), json!(numbers[3]));
            head.insert("language".into(), language);
            if let Some(remark) = remark {
                head.insert("remark".into(), json!(remark));
            }
            head.insert("extFields".into(), Value::Object(ext.into_iter().collect()));
            head
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(512)))]

    #[test]
    fn heads_read_as_serde_json_reads_them(head in any_head()) {
        let expected = expected(&head).unwrap();
        prop_assert_eq!(decode_json(&serde_json::to_vec(&head).unwrap()).unwrap(), expected);
    }

    #[test]
    fn heads_with_blanks_everywhere_read_the_same(mut head in any_head()) {
        // Nested values are handed on raw, blanks included; leave them out here.
        if let Some(Value::Object(ext)) = head.get_mut("extFields") {
            ext.retain(|_, value| !value.is_object() && !value.is_array());
        }
        head.insert("language".into(), json!("GO"));
        let mut text = serde_json::to_string_pretty(&head).unwrap();
        text.push('\n');
        prop_assert_eq!(decode_json(text.as_bytes()).unwrap(), expected(&head).unwrap());
    }

    #[test]
    fn damaged_heads_are_refused_or_read_as_serde_json_reads_them(
        head in any_head(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = serde_json::to_vec(&head).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let ours = decode_json(&bytes);
        match serde_json::from_slice::<Map<String, Value>>(&bytes) {
            Ok(map) => {
                // With a repeated name both keep the last value, but in different places.
                if let (Ok(ours), Some(expected)) = (&ours, expected(&map))
                    && ours.ext.len() == expected.ext.len()
                {
                    let numbers_as_written = bytes.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                    prop_assert!(*ours == expected || numbers_as_written, "{:?} {:?}", ours, expected);
                }
            }
            // Raw control characters, bad UTF-8, lone surrogates and huge numbers are let through on purpose.
            Err(_) if ours.is_ok() => {
                let lenient = std::str::from_utf8(&bytes).is_err()
                    || bytes.iter().any(|byte| *byte < 0x20 || matches!(byte, b'e' | b'E'))
                    || bytes.windows(2).any(|pair| pair == b"\\u");
                prop_assert!(lenient, "{:?}", String::from_utf8_lossy(&bytes));
            }
            Err(_) => {}
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut scratch = Scratch::new();
        let _ = decode(HeadType::Json, &bytes, b"", &mut scratch);
        let _ = decode(HeadType::Binary, &bytes, b"", &mut scratch);
    }

    #[test]
    fn bytes_that_look_like_json_are_refused_or_read(text in "\\{([\"{}\\[\\]:,\\\\ux0-9a-f tn.-]|\"a\":|\"extFields\":\\{){0,60}") {
        let ours = decode_json(text.as_bytes());
        if serde_json::from_str::<Map<String, Value>>(&text).is_err() {
            let lenient = text.contains("\\u") || text.contains('e');
            prop_assert!(ours.is_err() || lenient, "{}", text);
        }
    }

    #[test]
    fn binary_heads_survive_and_damaged_ones_are_refused_or_read(
        code in any::<i16>(),
        opaque in any::<i32>(),
        remark in prop::option::of("[^\\x00]{1,10}"),
        ext in prop::collection::vec((any_text(), any_text()), 0..8),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let parts = HeadParts {
            code: code.into(), language: Language::Go, version: 317, opaque, flag: 2, remark: remark.as_deref(),
        };
        let mut bytes = Vec::new();
        write_head_binary(&mut bytes, parts, ext.iter().map(|(name, value)| (&**name, &**value)), 0);
        let mut header = bytes[8..].to_vec();
        prop_assert_eq!(bytes[4..8].to_vec(), (header.len() as u32 | 1 << 24).to_be_bytes().to_vec());
        let mut scratch = Scratch::new();
        let request = decode(HeadType::Binary, &header, b"", &mut scratch).unwrap();
        let expected = Owned { numbers: [code.into(), 317, opaque, 2], language: Language::Go, remark, ext };
        prop_assert_eq!(Owned::from(&request), expected);
        if let Some((at, byte)) = damage {
            let at = at.index(header.len());
            header[at] = byte;
            let _ = decode(HeadType::Binary, &header, b"", &mut scratch);
        }
    }

    #[test]
    fn written_replies_read_back(
        code in any::<i32>(),
        opaque in any::<i32>(),
        fields in prop::collection::vec((any_text(), any_text()), 0..8),
        number in any::<i64>(),
        remark in prop::option::of(any_text()),
    ) {
        let mut out = b"before".to_vec();
        let mut head = HeadWriter::begin(&mut out, code, opaque);
        for (name, value) in &fields {
            head.text(&mut out, name, value);
        }
        head.int(&mut out, "number", number);
        let length = head.finish(&mut out, remark.as_deref(), 10);
        let frame = &out[6..];
        prop_assert_eq!(length, frame.len());
        prop_assert_eq!(frame[..4].to_vec(), (frame.len() as u32 - 4 + 10).to_be_bytes().to_vec());
        prop_assert_eq!(frame[4..8].to_vec(), (frame.len() as u32 - 8).to_be_bytes().to_vec());
        let mut ext = fields;
        ext.push(("number".to_owned(), number.to_string()));
        let language = Language::Java;
        let expected = Owned { numbers: [code, VERSION, opaque, FLAG_RESPONSE], language, remark, ext };
        prop_assert_eq!(decode_json(&frame[8..]).unwrap(), expected);
        prop_assert!(serde_json::from_slice::<Value>(&frame[8..]).is_ok());
    }
}

#[test]
fn replies_have_javas_keys_in_javas_order() {
    let mut out = Vec::new();
    let mut head = HeadWriter::begin(&mut out, 0, 7);
    head.int(&mut out, "queueId", 3);
    head.finish(&mut out, Some("FOUND"), 0);
    let expected = r#"{"code":0,"extFields":{"queueId":"3"},"flag":1,"language":"JAVA","opaque":7,"remark":"FOUND","serializeTypeCurrentRPC":"JSON","version":513}"#;
    assert_eq!(std::str::from_utf8(&out[8..]).unwrap(), expected);
}

#[test]
fn an_empty_ext_map_differs_from_none() {
    let mut out = Vec::new();
    let mut head = HeadWriter::begin(&mut out, 0, 7);
    head.empty_ext();
    head.finish(&mut out, None, 0);
    assert!(out[8..].starts_with(br#"{"code":0,"extFields":{},"flag":1"#));
    out.clear();
    HeadWriter::begin(&mut out, 0, 7).finish(&mut out, None, 0);
    assert!(out[8..].starts_with(br#"{"code":0,"flag":1"#));
}

#[test]
fn peculiar_heads_of_real_clients_are_read() {
    // The C++ client: numbers and booleans as ext values, an empty remark, a trailing newline.
    let cpp = b"{\"code\":34,\"extFields\":{\"e\":3,\"k\":false,\"d\":-1.5},\"flag\":0,\"language\":\"CPP\",\"opaque\":1,\"remark\":\"\",\"version\":333}\n";
    let head = decode_json(cpp).unwrap();
    let ext = [("e", "3"), ("k", "false"), ("d", "-1.5")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(head.ext, ext);
    assert_eq!(head.remark.as_deref(), Some(""));
    // Absent and null ext fields; a null value is no value.
    assert!(decode_json(br#"{"code":34}"#).unwrap().ext.is_empty());
    assert!(
        decode_json(br#"{"code":34,"extFields":null}"#)
            .unwrap()
            .ext
            .is_empty()
    );
    assert!(
        decode_json(br#"{"code":34,"extFields":{"a":null}}"#)
            .unwrap()
            .ext
            .is_empty()
    );
    // Raw control characters and bytes that are not UTF-8.
    let head =
        decode_json(b"{\"code\":1,\"extFields\":{\"i\":\"K\x01v\x02\",\"x\":\"\xff\"}}").unwrap();
    assert_eq!(head.ext[0].1, "K\u{1}v\u{2}");
    assert_eq!(head.ext[1].1, "\u{fffd}");
    // Half a surrogate pair, which Java's strings may hold.
    let head = decode_json(br#"{"remark":"a\ud83dz\ud83d\ude00\ude00"}"#).unwrap();
    assert_eq!(head.remark.as_deref(), Some("a\u{fffd}z\u{1f600}\u{fffd}"));
}

#[test]
fn the_last_of_repeated_names_counts() {
    let mut scratch = Scratch::new();
    let header = br#"{"code":1,"code":2,"extFields":{"a":"1","a":"2"}}"#;
    let request = decode(HeadType::Json, header, b"", &mut scratch).unwrap();
    assert_eq!(request.code, 2);
    assert_eq!(request.ext.get("a"), Some("2"));
    assert_eq!(request.ext.required_i32("a"), Ok(2));
}

#[test]
fn what_is_not_a_head_is_refused() {
    let deep = format!("{{\"x\":{}}}", "[".repeat(100));
    let many: Vec<String> = (0..=MAX_EXT_FIELDS)
        .map(|field| format!("\"f{field}\":\"\""))
        .collect();
    let many = format!("{{\"extFields\":{{{}}}}}", many.join(","));
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "{\"code\"}",
        "{\"code\":}",
        "{\"code\":1,}",
        "{\"code\":x}",
        "{\"code\":1}}",
        "{\"code\":99999999999}",
        "{\"code\":true}",
        "{\"code\":1.5}",
        "{\"remark\":\"open}",
        "{\"remark\":\"\\x\"}",
        "{\"remark\":\"\\u12g4\"}",
        "{\"extFields\":[]}",
        "{\"extFields\":\"a\"}",
        "{\"extFields\":{\"a\":01}}",
        "{\"x\":[1,}",
        "{\"x\":[1}",
        "{\"x\":{\"a\":1]}",
        "{\"x\":{1:2}}",
        "{code:1}",
        "{\"x\":nul}",
        &deep,
        &many,
    ] {
        assert!(decode_json(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_specifications_binary_vector_is_read() {
    let header = [
        0x00, 0x69, 0x00, 0x01, 0xdf, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 5,
        b't', b'o', b'p', b'i', b'c', 0, 0, 0, 6, b'T', b'B', b'W', b'1', b'0', b'2',
    ];
    let mut scratch = Scratch::new();
    let request = decode(HeadType::Binary, &header, b"", &mut scratch).unwrap();
    assert_eq!(
        (request.code, request.version, request.opaque),
        (105, 479, 1)
    );
    assert_eq!(request.ext.get("topic"), Some("TBW102"));
}
