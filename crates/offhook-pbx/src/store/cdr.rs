//! Call records: one row for each extension that has to do with a call, in its own view.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, named_params, params, params_from_iter};
use tokio::sync::oneshot;

use super::{Store, StoreError};

/// Records kept; the oldest go first.
const KEPT: i64 = 1_000_000;

/// Rows of one page at most.
pub(crate) const MOST_ROWS: u32 = 1_000;

/// A call that is over. Its two sides are numbers: of extensions, or of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CdrRecord {
    /// Names the call in every row, and no other call of this data directory.
    pub(crate) uniqueid: String,
    /// When the call came, Unix time in ms.
    pub(crate) start_ms: i64,
    /// When it was answered, if it was.
    pub(crate) answer_ms: Option<i64>,
    /// When it was over.
    pub(crate) end_ms: i64,
    pub(crate) caller: String,
    pub(crate) caller_name: String,
    /// The number called.
    pub(crate) callee: String,
    pub(crate) callee_name: String,
    /// `Internal`: the PBX has no trunks.
    pub(crate) call_type: String,
    pub(crate) disposition: Disposition,
    /// The dial plan that was used: `internal`.
    pub(crate) dcontext: String,
    /// Call-ID of the caller's SIP dialog; empty without one.
    pub(crate) sip_call_id: String,
    /// Call-ID of the SIP dialog with the device that answered; empty when none did.
    pub(crate) callee_sip_call_id: String,
    /// Who sees it, and how.
    pub(crate) seen_by: Vec<(String, CdrStatus)>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Disposition {
    Answered,
    NoAnswer,
    Busy,
    Failed,
    Voicemail,
}

/// What a call was for the extension whose row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CdrStatus {
    Inbound,
    Missed,
    Outbound,
}

/// A row as an extension sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CdrRow {
    /// Ascending with time; never used again.
    pub(crate) id: i64,
    pub(crate) extension: String,
    pub(crate) status: CdrStatus,
    /// The other side.
    pub(crate) number: String,
    pub(crate) start_ms: i64,
    pub(crate) answer_ms: Option<i64>,
    pub(crate) end_ms: i64,
    pub(crate) caller: String,
    pub(crate) caller_name: String,
    pub(crate) callee: String,
    pub(crate) callee_name: String,
    pub(crate) call_type: String,
    pub(crate) uniqueid: String,
    pub(crate) disposition: Disposition,
    pub(crate) dcontext: String,
    /// `"name" <number>` of the caller.
    pub(crate) clid: String,
    /// Call-ID of the SIP dialog with this extension, where there was one; the caller's otherwise.
    pub(crate) sip_call_id: String,
}

/// Which rows of an extension are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// From 1.
    pub(crate) page: u32,
    /// Rows of a page: 1 to 1000.
    pub(crate) size: u32,
    pub(crate) sort: Sort,
    pub(crate) order: Order,
    /// `None`: all.
    pub(crate) status: Option<CdrStatus>,
    /// Part of the other side's number.
    pub(crate) filter: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self { page: 1, size: 20, sort: Sort::Time, order: Order::Descending, status: None, filter: None }
    }
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    /// When the call came.
    #[default]
    Time,
    Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    Ascending,
    #[default]
    Descending,
}

/// Rows, and how many there are on all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CdrPage {
    pub(crate) rows: Vec<CdrRow>,
    pub(crate) total: u64,
}

impl CdrRow {
    /// How long it was talked, seconds, begun ones counted.
    pub(crate) fn talk_s(&self) -> u64 {
        let talk_ms = self.answer_ms.map_or(0, |answer_ms| self.end_ms.saturating_sub(answer_ms));
        u64::try_from(talk_ms).unwrap_or(0).div_ceil(1000)
    }
}

impl Store {
    /// Writes a call's rows. The result, which comes when they are on the disk, has them with their ids.
    pub(crate) fn write_cdr(
        &self,
        record: CdrRecord,
    ) -> Result<oneshot::Receiver<Result<Vec<CdrRow>, StoreError>>, StoreError> {
        self.write_now(move |connection| insert(connection, &record))
    }

    /// The rows of a number, whoever had it.
    pub(crate) async fn cdrs(&self, extension: &str, query: Query) -> Result<CdrPage, StoreError> {
        let extension = extension.to_owned();
        self.read(move |connection| find(connection, Rows::Of(&extension), &query)).await
    }

    /// The rows of who has a number now.
    pub(crate) async fn personal_cdrs(&self, extension: &str, query: Query) -> Result<CdrPage, StoreError> {
        let extension = extension.to_owned();
        self.read(move |connection| find(connection, Rows::Personal(&extension), &query)).await
    }

    /// The rows of all extensions.
    pub(crate) async fn all_cdrs(&self, query: Query) -> Result<CdrPage, StoreError> {
        self.read(move |connection| find(connection, Rows::All, &query)).await
    }

    /// One row of an extension's.
    pub(crate) async fn cdr(&self, extension: &str, id: i64) -> Result<Option<CdrRow>, StoreError> {
        let extension = extension.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare(&format!("{SELECT} WHERE extension = ?1 AND id = ?2"))?;
            let mut rows = statement.query_map(params![extension, id], row)?;
            Ok(rows.next().transpose()?)
        })
        .await
    }
}

const SELECT: &str = "SELECT id, extension, status, number, start_ms, answer_ms, end_ms, caller, caller_name, callee,
    callee_name, call_type, uniqueid, disposition, dcontext, clid, sip_call_id FROM cdr";

fn insert(connection: &Connection, record: &CdrRecord) -> Result<Vec<CdrRow>, StoreError> {
    let mut statement = connection.prepare(
        "INSERT INTO cdr (extension, status, number, start_ms, answer_ms, end_ms, caller, caller_name, callee,
            callee_name, call_type, uniqueid, disposition, dcontext, clid, sip_call_id)
         VALUES (:extension, :status, :number, :start_ms, :answer_ms, :end_ms, :caller, :caller_name, :callee,
            :callee_name, :call_type, :uniqueid, :disposition, :dcontext, :clid, :sip_call_id)",
    )?;
    let mut rows = Vec::new();
    for (extension, status) in &record.seen_by {
        let number = if *status == CdrStatus::Outbound { &record.callee } else { &record.caller };
        let mut row = CdrRow {
            id: 0,
            extension: extension.clone(),
            status: *status,
            number: number.clone(),
            start_ms: record.start_ms,
            answer_ms: record.answer_ms,
            end_ms: record.end_ms,
            caller: record.caller.clone(),
            caller_name: record.caller_name.clone(),
            callee: record.callee.clone(),
            callee_name: record.callee_name.clone(),
            call_type: record.call_type.clone(),
            uniqueid: record.uniqueid.clone(),
            disposition: record.disposition,
            dcontext: record.dcontext.clone(),
            clid: clid(&record.caller_name, &record.caller),
            sip_call_id: match status {
                CdrStatus::Inbound if !record.callee_sip_call_id.is_empty() => record.callee_sip_call_id.clone(),
                _ => record.sip_call_id.clone(),
            },
        };
        row.id = statement.insert(named_params! {
            ":extension": row.extension,
            ":status": row.status,
            ":number": row.number,
            ":start_ms": row.start_ms,
            ":answer_ms": row.answer_ms,
            ":end_ms": row.end_ms,
            ":caller": row.caller,
            ":caller_name": row.caller_name,
            ":callee": row.callee,
            ":callee_name": row.callee_name,
            ":call_type": row.call_type,
            ":uniqueid": row.uniqueid,
            ":disposition": row.disposition,
            ":dcontext": row.dcontext,
            ":clid": row.clid,
            ":sip_call_id": row.sip_call_id,
        })?;
        rows.push(row);
    }
    if let Some(newest) = rows.last().map(|row| row.id) {
        connection.prepare("DELETE FROM cdr WHERE id <= ?1")?.execute([newest - KEPT])?;
    }
    Ok(rows)
}

/// Whose rows.
#[derive(Debug, Clone, Copy)]
enum Rows<'a> {
    All,
    Of(&'a str),
    /// Of calls that began when nobody had the number who is gone.
    Personal(&'a str),
}

fn find(connection: &Connection, rows: Rows<'_>, query: &Query) -> Result<CdrPage, StoreError> {
    let (wanted, extension) = match rows {
        Rows::All => (" WHERE 1", None),
        Rows::Of(extension) => (" WHERE extension = ?", Some(extension)),
        Rows::Personal(extension) => (
            " WHERE extension = ? AND start_ms > coalesce(
                (SELECT at_ms FROM extension_gone WHERE extension_gone.number = cdr.extension), -1)",
            Some(extension),
        ),
    };
    let mut wanted = wanted.to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(extension) = extension {
        values.push(Box::new(extension.to_owned()));
    }
    if let Some(status) = query.status {
        wanted.push_str(" AND status = ?");
        values.push(Box::new(status));
    }
    if let Some(filter) = query.filter.as_ref().filter(|filter| !filter.is_empty()) {
        // As text, not as a pattern.
        wanted.push_str(" AND instr(number, ?) > 0");
        values.push(Box::new(filter.clone()));
    }
    let count = format!("SELECT count(*) FROM cdr{wanted}");
    // Both of one state, though somebody writes in between.
    let transaction = connection.unchecked_transaction()?;
    let total: i64 = transaction.prepare(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
    let direction = if query.order == Order::Ascending { "ASC" } else { "DESC" };
    let order = match query.sort {
        Sort::Time => format!("start_ms {direction}, id {direction}"),
        Sort::Id => format!("id {direction}"),
    };
    let size = i64::from(query.size.clamp(1, MOST_ROWS));
    values.push(Box::new(size));
    values.push(Box::new(i64::from(query.page.max(1) - 1).saturating_mul(size)));
    let select = format!("{SELECT}{wanted} ORDER BY {order} LIMIT ? OFFSET ?");
    let rows = transaction
        .prepare(&select)?
        .query_map(params_from_iter(&values), row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(CdrPage { rows, total: u64::try_from(total).unwrap_or(0) })
}

fn row(row: &Row<'_>) -> rusqlite::Result<CdrRow> {
    Ok(CdrRow {
        id: row.get(0)?,
        extension: row.get(1)?,
        status: row.get(2)?,
        number: row.get(3)?,
        start_ms: row.get(4)?,
        answer_ms: row.get(5)?,
        end_ms: row.get(6)?,
        caller: row.get(7)?,
        caller_name: row.get(8)?,
        callee: row.get(9)?,
        callee_name: row.get(10)?,
        call_type: row.get(11)?,
        uniqueid: row.get(12)?,
        disposition: row.get(13)?,
        dcontext: row.get(14)?,
        clid: row.get(15)?,
        sip_call_id: row.get(16)?,
    })
}

/// A caller as one text; a quote in a name would end it.
fn clid(name: &str, number: &str) -> String {
    format!("\"{}\" <{number}>", name.replace('"', "'"))
}

impl Disposition {
    /// As the API says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::NoAnswer => "NO ANSWER",
            Self::Busy => "BUSY",
            Self::Failed => "FAILED",
            Self::Voicemail => "VOICEMAIL",
        }
    }
}

impl CdrStatus {
    /// As the API says it.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inbound => 1,
            Self::Missed => 2,
            Self::Outbound => 3,
        }
    }

    /// What the API means.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Inbound, Self::Missed, Self::Outbound].into_iter().find(|status| status.number() == number)
    }
}

impl ToSql for Disposition {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.name()))
    }
}

impl FromSql for Disposition {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        [Self::Answered, Self::NoAnswer, Self::Busy, Self::Failed, Self::Voicemail]
            .into_iter()
            .find(|disposition| disposition.name() == name)
            .ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for CdrStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.number()))
    }
}

impl FromSql for CdrStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = u8::try_from(value.as_i64()?).map_err(|_| FromSqlError::InvalidType)?;
        Self::from_number(number).ok_or(FromSqlError::InvalidType)
    }
}
