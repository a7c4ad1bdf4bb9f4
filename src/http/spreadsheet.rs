//! Reports as CSV, for programs and for spreadsheets.

use actix_web::HttpResponse;
use actix_web::http::header;

use super::problem::{Code, Problem};
use super::query::Parameters;

/// The form of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    separator: u8,
    /// Whether a byte order mark tells spreadsheets that the text is UTF-8.
    marked: bool,
}

/// The separators, as the parameter `separator` names them. Spreadsheets expect the semicolon in languages with a
/// decimal comma.
const SEPARATORS: [(&str, u8); 3] = [("comma", b','), ("semicolon", b';'), ("tab", b'\t')];

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Form {
    /// Reads the parameters `format` and `separator`. Returns `None` if the report is requested as JSON, which has no
    /// separator.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Option<Self>, Problem> {
        let (format, separator) = (parameters.one("format")?, parameters.one("separator")?);
        let marked = match format.as_deref() {
            None | Some("json") => None,
            Some("csv") => Some(false),
            Some("excel") => Some(true),
            Some(_) => return Err(Problem::invalid_query("format", "expected json, csv or excel".to_owned())),
        };
        let name = separator.as_deref().unwrap_or("comma");
        let known = SEPARATORS.into_iter().find(|(known, _)| *known == name);
        let expected = || Problem::invalid_query("separator", "expected comma, semicolon or tab".to_owned());
        let (_, separator) = known.ok_or_else(expected)?;
        Ok(marked.map(|marked| Self { separator, marked }))
    }

    /// 200 with a file.
    pub(super) fn answer<T: Cells>(self, file: &str, rows: &[T]) -> Result<HttpResponse, Problem> {
        let table =
            self.table(rows).map_err(|_| Problem::new(Code::Internal, "the report could not be written as CSV"))?;
        Ok(HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file}\"")))
            .body(table))
    }

    fn table<T: Cells>(self, rows: &[T]) -> csv::Result<Vec<u8>> {
        let start = if self.marked { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
        let mut table = csv::WriterBuilder::new().delimiter(self.separator).from_writer(start);
        table.write_record(T::HEAD)?;
        for row in rows {
            table.write_record(row.cells())?;
        }
        table.into_inner().map_err(|error| error.into_error().into())
    }
}

/// A row of a report as CSV.
pub(super) trait Cells {
    /// Column names.
    const HEAD: &'static [&'static str];

    /// The cells.
    fn cells(&self) -> Vec<String>;
}

/// Characters by which a spreadsheet recognises a formula at the start of a cell.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Characters after which a new cell starts if the spreadsheet expects another separator than the file has.
const ENDS_OF_CELLS: [char; 7] = [',', ';', '|', '"', '\t', '\r', '\n'];

/// Text of a cell. Applications may send any text, and a spreadsheet must not interpret any part of it as a formula. An
/// apostrophe prevents that.
pub(super) fn text(value: Option<&String>) -> String {
    let Some(value) = value else { return String::new() };
    let mut text = String::with_capacity(value.len() + 1);
    let mut may_start_cell = true;
    for character in value.chars() {
        if may_start_cell && FORMULA.contains(&character) {
            text.push('\'');
        }
        text.push(character);
        may_start_cell = ENDS_OF_CELLS.contains(&character) || (may_start_cell && is_invisible(character));
    }
    text
}

/// Whether a character is invisible, so that a spreadsheet may skip it: blanks, controls, and marks such as a byte
/// order mark.
fn is_invisible(character: char) -> bool {
    let is_mark = matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_whitespace() || character.is_control() || is_mark
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_part_of_a_text_that_may_become_a_cell_is_a_formula() {
        for (sent, written) in [
            ("plain", "plain"),
            ("a-b = c + d", "a-b = c + d"),
            ("=1+1", "'=1+1"),
            ("  @sum(A1)", "  '@sum(A1)"),
            ("\u{a0}=1", "\u{a0}'=1"),
            ("\u{feff}=1", "\u{feff}'=1"),
            ("\u{200b}\u{1}-1", "\u{200b}\u{1}'-1"),
            ("x;=1+1", "x;'=1+1"),
            ("x, -1", "x, '-1"),
            ("x\n=1", "x\n'=1"),
            ("x\";=1", "x\";'=1"),
            ("\t=1", "'\t'=1"),
            ("x|＝1", "x|'＝1"),
        ] {
            assert_eq!(text(Some(&sent.to_owned())), written);
        }
        assert_eq!(text(None), "");
    }
}
