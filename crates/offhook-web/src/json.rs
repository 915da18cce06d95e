//! Values as JSON texts.
//!
//! What serde's own crate for it does is done here for one purpose only: into a string, by nothing that can fail. The code
//! that serde derives then has no errors to look for, and numbers with fractions are written by the browser.

use std::fmt::{self, Display, Write as _};

use offhook_core::write_json_text;
use serde::{Serialize, Serializer, ser};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// JavaScript's `String(value)`.
    #[wasm_bindgen(js_name = String)]
    fn in_digits(value: f64) -> String;
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut out = String::new();
    let Ok(()) = value.serialize(&mut Writer(&mut out));
    out
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Never {}

impl Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl ser::Error for Never {
    /// For values that JSON has no form for; none of ours is one.
    fn custom<T: Display>(_: T) -> Self {
        unreachable!("nothing of ours fails to be JSON")
    }
}

struct Writer<'a>(&'a mut String);

impl Writer<'_> {
    fn word(&mut self, word: &str) {
        self.0.push_str(word);
    }

    fn whole(&mut self, value: impl Display) {
        let _ = write!(self.0, "{value}");
    }

    /// Between two of a list.
    fn part(&mut self) {
        if !self.0.ends_with(['[', '{']) {
            self.0.push(',');
        }
    }

    fn key(&mut self, key: &str) {
        self.part();
        write_json_text(key, self.0);
        self.0.push(':');
    }
}

/// An array or object that is being written.
pub(crate) struct List<'w, 'a> {
    writer: &'w mut Writer<'a>,
    end: &'static str,
}

impl<'w, 'a> List<'w, 'a> {
    fn new(writer: &'w mut Writer<'a>, begin: &str, end: &'static str) -> Self {
        writer.word(begin);
        Self { writer, end }
    }

    /// As the only field of an object.
    fn within(writer: &'w mut Writer<'a>, name: &str, begin: &str, end: &'static str) -> Self {
        writer.word("{");
        writer.key(name);
        Self::new(writer, begin, end)
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.writer.part();
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Never> {
        self.writer.key(key);
        value.serialize(&mut *self.writer)
    }

    fn done(self) -> Result<(), Never> {
        self.writer.word(self.end);
        Ok(())
    }
}

macro_rules! whole_numbers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Result<(), Never> {
            self.whole(value);
            Ok(())
        })*
    };
}

impl<'w, 'a> Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = List<'w, 'a>;
    type SerializeTuple = List<'w, 'a>;
    type SerializeTupleStruct = List<'w, 'a>;
    type SerializeTupleVariant = List<'w, 'a>;
    type SerializeMap = List<'w, 'a>;
    type SerializeStruct = List<'w, 'a>;
    type SerializeStructVariant = List<'w, 'a>;

    whole_numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_bool(self, value: bool) -> Result<(), Never> {
        self.word(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Never> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Never> {
        if value.is_finite() {
            self.word(&in_digits(value));
        } else {
            self.word("null");
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Never> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        write_json_text(value, self.0);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Never> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        self.word("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Never> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Never> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        let mut object = List::new(self, "{", "}");
        object.field(variant, value)?;
        object.done()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'w, 'a>, Never> {
        Ok(List::new(self, "[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'w, 'a>, Never> {
        Ok(List::new(self, "[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'w, 'a>, Never> {
        Ok(List::new(self, "[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'w, 'a>, Never> {
        Ok(List::within(self, variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<List<'w, 'a>, Never> {
        Ok(List::new(self, "{", "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<List<'w, 'a>, Never> {
        Ok(List::new(self, "{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'w, 'a>, Never> {
        Ok(List::within(self, variant, "{", "}}"))
    }
}

macro_rules! lists {
    ($($of:ident: $method:ident),*) => {
        $(impl ser::$of for List<'_, '_> {
            type Ok = ();
            type Error = Never;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
                self.item(value)
            }

            fn end(self) -> Result<(), Never> {
                self.done()
            }
        })*
    };
}

lists!(
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! objects {
    ($($of:ident),*) => {
        $(impl ser::$of for List<'_, '_> {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Never> {
                self.field(key, value)
            }

            fn end(self) -> Result<(), Never> {
                self.done()
            }
        })*
    };
}

objects!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for List<'_, '_> {
    type Ok = ();
    type Error = Never;

    /// Keys are texts, and so they are written.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.item(key)?;
        self.writer.word(":");
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Never> {
        self.done()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
    enum Kind {
        Unit,
        Newtype(Option<u8>),
        Tuple(i64, char),
        Struct { is_it: bool, what: &'static str },
    }

    #[derive(Serialize)]
    #[serde(tag = "event", rename_all = "camelCase")]
    enum Tagged {
        Bare,
        With { list: Vec<u64> },
        Of(BTreeMap<&'static str, ()>),
    }

    #[test]
    fn it_writes_what_serde_json_writes() {
        let kinds = [
            Kind::Unit,
            Kind::Newtype(None),
            Kind::Newtype(Some(7)),
            Kind::Tuple(-1, '"'),
            Kind::Struct { is_it: true, what: "a\\\"\n\r\t\u{1f}\u{7f}é😀[{" },
        ];
        let map = BTreeMap::from([("a", ()), ("b[", ())]);
        let tagged = [Tagged::Bare, Tagged::With { list: vec![] }, Tagged::With { list: vec![1, 2] }, Tagged::Of(map)];
        let all = (kinds, tagged, [[(); 0]; 2], "", ((), ("[", "{"), f64::NAN));
        assert_eq!(json(&all), serde_json::to_string(&all).expect("JSON"));
    }
}
