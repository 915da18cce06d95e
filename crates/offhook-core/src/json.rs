//! JSON, as much of it as a PBX's API needs: a value that is read and written.
//!
//! Written out here because the usual crates bring floating-point numbers, maps and errors along that nobody here asks for:
//! 30 kB of a page's module.

/// Arrays and objects in one another at most.
const MAX_DEPTH: u8 = 64;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    String(String),
    Array(Vec<Value>),
    /// In the order in which they were written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a text (RFC 8259); `None`: it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(MAX_DEPTH)?;
        reader.skip_space();
        (reader.at == text.len()).then_some(value)
    }

    /// An object of these.
    pub(crate) fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A field of an object. Of several of that name, the last counts.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().rev().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Of an object; of anything else none.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// As JSON.
    pub(crate) fn write(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_text(text, out),
            Self::Array(values) => {
                out.push('[');
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    value.write_to(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (n, (name, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

/// Writes a text as a JSON string.
pub fn write_text(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => {
                out.push_str("\\u00");
                out.push(char::from(HEX[c as usize >> 4]));
                out.push(char::from(HEX[c as usize & 15]));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    /// Before which byte; always between two characters.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes behind these bytes if they are next.
    fn take(&mut self, wanted: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.starts_with(wanted.as_bytes()).then_some(wanted.len())?;
        Some(())
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        self.skip_space();
        Some(match self.peek()? {
            b'n' => self.take("null").map(|()| Value::Null)?,
            b't' => self.take("true").map(|()| Value::Bool(true))?,
            b'f' => self.take("false").map(|()| Value::Bool(false))?,
            b'"' => Value::String(self.string()?),
            b'[' => {
                let mut values = Vec::new();
                self.list(b']', |reader| {
                    values.push(reader.value(depth.checked_sub(1)?)?);
                    Some(())
                })?;
                Value::Array(values)
            }
            b'{' => {
                let mut fields = Vec::new();
                self.list(b'}', |reader| {
                    reader.skip_space();
                    let name = reader.string()?;
                    reader.skip_space();
                    reader.take(":")?;
                    fields.push((name, reader.value(depth.checked_sub(1)?)?));
                    Some(())
                })?;
                Value::Object(fields)
            }
            _ => self.number()?,
        })
    }

    /// What is between brackets, parted by commas.
    fn list(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            self.skip_space();
            let next = self.peek()?;
            self.at += 1;
            if next == end {
                return Some(());
            }
            if next != b',' {
                return None;
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<Value> {
        let from = self.at;
        let _ = self.take("-");
        if self.take("0").is_none() {
            self.digits()?;
        }
        if self.take(".").is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(Value::Number(self.text.get(from..self.at)?.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut out = String::new();
        loop {
            let c = self.text.get(self.at..)?.chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => out.push(self.escaped()?),
                '\0'..' ' => return None,
                _ => out.push(c),
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'"' | b'\\' | b'/' => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                match unit {
                    // RFC 8259 §7: a character beyond the first 65,536 is written as two.
                    0xd800..0xdc00 => {
                        self.take("\\u")?;
                        let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + low)?
                    }
                    _ => char::from_u32(unit)?,
                }
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(unit)
    }
}

#[cfg(test)]
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::parse(&value.to_string()).expect("JSON")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the two read the same, or both nothing.
    fn agree(text: &str) -> bool {
        let theirs = serde_json::from_str::<serde_json::Value>(text).ok();
        let ours = Value::parse(text).map(|value| serde_json::from_str::<serde_json::Value>(&value.write()));
        match (ours, theirs) {
            (None, None) => true,
            (Some(Ok(ours)), Some(theirs)) => ours == theirs,
            _ => false,
        }
    }

    #[test]
    fn what_is_json_and_what_is_not() {
        for text in [
            "null",
            " true ",
            "false",
            "0",
            "-0",
            "10",
            "-1.50",
            "1e3",
            "1E-2",
            "\"\"",
            "[]",
            "{}",
            "[1,[2,{}]]",
            "{\"a\":1,\"a\":2}",
            "{ \"a\" : [ ] , \"b\" : null }",
            r#""\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00""#,
            "\"é😀\"",
            "",
            " ",
            "nul",
            "01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "[1,]",
            "[,]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            r#""\ud83d""#,
            r#""\ud83dA""#,
            r#""\ude00""#,
            "\"\n\"",
            "1 2",
            "[",
            "{",
            "tru",
            "[1",
            "\u{feff}1",
            "NaN",
            "'a'",
        ] {
            assert!(agree(text), "{text:?}");
        }
        assert_eq!(Value::parse(&"[".repeat(100_000)), None);
        assert_eq!(
            Value::parse(r#"{"a":1,"a":2}"#).and_then(|v| v.get("a").cloned()),
            Some(Value::Number("2".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn texts_come_back(text in any::<String>()) {
            prop_assert_eq!(Value::parse(&Value::from(text.as_str()).write()), Some(Value::String(text)));
        }

        #[test]
        fn it_reads_what_serde_reads(text in r#"[\[\]{}:,"\\ntfu0-9.eE+\- a-f]{0,24}"#) {
            prop_assert!(agree(&text), "{}", text);
        }
    }
}
