//! The list of calls that the PBX keeps.

use serde::Serialize;

use super::error::PbxError;
use super::json::{self, Value};

/// Most rows of one page.
const MAX_PAGE_SIZE: u32 = 1_000;
/// Longest filter, characters.
const MAX_FILTER: usize = 128;

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdrQuery {
    /// Page, counted from 1.
    pub page: u32,
    /// Records of a page, 1–1000.
    pub size: u32,
    /// Which calls.
    pub status: CdrStatus,
    /// By what they are sorted.
    pub sort_by: CdrSort,
    /// Which way.
    pub order_by: CdrOrder,
    /// Only those whose number contains this; empty: all. At most 128 characters.
    pub filter: String,
}

impl CdrQuery {
    /// This page of all calls, the newest first.
    #[must_use]
    pub fn new(page: u32, size: u32) -> Self {
        Self {
            page,
            size,
            status: CdrStatus::All,
            sort_by: CdrSort::Time,
            order_by: CdrOrder::Desc,
            filter: String::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), PbxError> {
        let refuse = |detail: &str| Err(PbxError::InvalidQuery { detail: detail.to_owned() });
        if self.page == 0 {
            return refuse("pages are counted from 1");
        }
        if !(1..=MAX_PAGE_SIZE).contains(&self.size) {
            return refuse("a page has 1 to 1000 records");
        }
        if self.filter.chars().count() > MAX_FILTER {
            return refuse("a filter has at most 128 characters");
        }
        Ok(())
    }
}

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum CdrStatus {
    /// All.
    #[default]
    All = 0,
    /// Inbound and answered.
    Inbound = 1,
    /// Missed.
    Missed = 2,
    /// Outbound.
    Outbound = 3,
}

impl CdrStatus {
    /// From the contract's number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::All, Self::Inbound, Self::Missed, Self::Outbound].into_iter().find(|s| *s as i64 == number)
    }
}

/// By what records are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CdrSort {
    /// By time.
    #[default]
    Time,
    /// By their identity.
    Id,
}

/// Which way records are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CdrOrder {
    /// The newest first.
    #[default]
    Desc,
    /// The oldest first.
    Asc,
}

/// One page of records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CdrPage {
    /// In the order that was asked for.
    pub personal_cdr_list: Vec<CdrRow>,
    /// How many there are on all pages.
    pub total_number: u64,
}

/// One record. A field that the PBX did not send is empty or 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CdrRow {
    /// Identity.
    pub id: i64,
    /// Date, as the PBX writes it.
    pub date: String,
    /// Time, as the PBX writes it.
    pub time: String,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// The other side.
    pub number: String,
    /// Kind of the number, as the PBX writes it.
    pub number_type: String,
    /// The other side, where it is an extension.
    pub extension: Option<CdrExtension>,
    /// 1 inbound, 2 missed, 3 outbound.
    pub status: u8,
    /// Seconds talked.
    pub talk_duration: u64,
    /// Kind of call, as the PBX writes it.
    pub call_type: String,
    /// Identity of the call at the PBX.
    pub uniqueid: String,
    /// `ANSWERED`, `NO ANSWER`, `BUSY`, `FAILED` or `VOICEMAIL`.
    pub disposition: String,
    /// Context in the dial plan.
    pub dcontext: String,
    /// Number that was shown.
    pub caller_id: String,
    /// Name and number that were shown.
    pub clid: String,
}

/// An extension in a record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CdrExtension {
    /// Identity.
    pub ext_id: i64,
    /// Number.
    pub ext_num: String,
    /// Name.
    pub caller_id_name: String,
    /// Name of its picture.
    pub photo: String,
    /// Its state, as the PBX writes it.
    pub status: String,
    /// Its presence, as the PBX writes it.
    pub presence_status: String,
}

impl CdrPage {
    /// Out of an answer. Rows that are no objects are left out, and those above `size`.
    pub(crate) fn read(answer: &Value, size: u32) -> Self {
        let rows = answer.get("personal_cdr_list").and_then(Value::as_array);
        let rows = rows.into_iter().flatten().filter(|row| row.is_object()).take(size as usize).map(CdrRow::read);
        let personal_cdr_list: Vec<_> = rows.collect();
        let total = json::unsigned(answer, "total_number").unwrap_or(personal_cdr_list.len() as u64);
        Self { personal_cdr_list, total_number: total }
    }
}

impl CdrRow {
    fn read(row: &Value) -> Self {
        let text = |name| json::text(row, name).unwrap_or_default();
        Self {
            id: json::number(row, "id").unwrap_or(0),
            date: text("date"),
            time: text("time"),
            timestamp: json::number(row, "timestamp").unwrap_or(0),
            number: text("number"),
            number_type: text("number_type"),
            extension: row.get("extension").filter(|e| e.is_object()).map(CdrExtension::read),
            status: json::unsigned(row, "status").and_then(|s| u8::try_from(s).ok()).unwrap_or(0),
            talk_duration: json::unsigned(row, "talk_duration").unwrap_or(0),
            call_type: text("call_type"),
            uniqueid: text("uniqueid"),
            disposition: text("disposition"),
            dcontext: text("dcontext"),
            caller_id: text("caller_id"),
            clid: text("clid"),
        }
    }
}

impl CdrExtension {
    fn read(extension: &Value) -> Self {
        let text = |name| json::text(extension, name).unwrap_or_default();
        Self {
            ext_id: json::number(extension, "ext_id").unwrap_or(0),
            ext_num: text("ext_num"),
            caller_id_name: text("caller_id_name"),
            photo: text("photo"),
            status: text("status"),
            presence_status: text("presence_status"),
        }
    }
}
