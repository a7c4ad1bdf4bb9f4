//! The search for a customer by anything that identifies one of their services.

use sqlx::{Postgres, QueryBuilder};

/// The text of a column or parameter without case, blanks and the signs between digits. The indexes
/// `services_customer_key_idx` and `services_contact_key_idx` have the same expression. ASCII letters are lower-cased
/// in every locale, other letters as the database's locale defines.
fn key(text: &str) -> String {
    let signs = r"E' \u00A0\u2009\u202F-\u2010\u2011\u2013+()./'";
    format!(r#"(lower(lower(translate({text}, {signs}, '') collate "C") collate "default") collate "C")"#)
}

/// The most letters outside ASCII whose upper and lower case are tried in every combination.
const MOST_LETTERS: usize = 4;

/// `text`, and texts that differ from it only in the case of letters outside ASCII. [`key`] ignores that case
/// only if the database's locale defines it, so the search looks for each: for every combination if there are few such
/// letters, and otherwise for lower case, upper case, and lower case with initial capitals.
fn spellings(text: &str) -> Vec<String> {
    let letters = text.chars().filter(|letter| cases(*letter).is_some()).count();
    let mut spellings = vec![text.to_owned()];
    if letters <= MOST_LETTERS {
        spellings.extend((0..1_u32 << letters).map(|choice| {
            let mut at = 0..;
            spelled(text, |_| at.next().is_some_and(|at: u32| choice >> at & 1 == 1))
        }));
    } else {
        spellings.extend([spelled(text, |_| false), spelled(text, |_| true), spelled(text, |is_initial| is_initial)]);
    }
    spellings.sort_unstable();
    spellings.dedup();
    spellings
}

/// The text with its letters outside ASCII in upper or lower case. `is_upper` is told whether a letter begins a word.
fn spelled(text: &str, mut is_upper: impl FnMut(bool) -> bool) -> String {
    let mut is_initial = true;
    let letter = |letter: char| {
        let begins = std::mem::replace(&mut is_initial, !letter.is_alphanumeric());
        cases(letter).map_or(letter, |[lower, upper]| if is_upper(begins) { upper } else { lower })
    };
    text.chars().map(letter).collect()
}

/// The lower and upper case of a letter outside ASCII, if each is a single letter.
fn cases(letter: char) -> Option<[char; 2]> {
    let cases = [one(letter.to_lowercase())?, one(letter.to_uppercase())?];
    (!letter.is_ascii() && cases[0] != cases[1]).then_some(cases)
}

fn one(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

/// The query of a search, with at most `limit` services by each kind of identifier.
pub(super) fn query(text: &str, limit: i64) -> QueryBuilder<'static, Postgres> {
    let sought = key("q.text");
    let newest = " order by s.started_at desc, s.service_id desc";
    let exactly = [
        format!("s.customer_id = q.text{newest}"),
        format!("s.customer_id is null and s.contact_key = q.text{newest}"),
        format!("s.contact_key is not null and {} = {sought} and s.contact_key = q.text", key("s.contact_key")),
        "s.interaction_id = q.text".to_owned(),
        "s.session_id = q.text".to_owned(),
    ];
    let mut query = QueryBuilder::new("-- find_services\nwith q as (select ");
    query.push_bind(text.to_owned()).push("::text as text), keys as materialized (select distinct ");
    query.push(key("spelling")).push(" as key from unnest(").push_bind(spellings(text)).push("::text[]) as spelling");
    query.push(") select f.service_id, bool_or(f.exact) as exact from q cross join lateral (");
    let number = text.trim_start_matches('#').parse::<i64>().unwrap_or(0);
    query.push("(select s.service_id, s.started_at, true as exact from unexpired_services s where s.service_id = ");
    query.push_bind(number).push(")");
    for condition in exactly {
        query.push(format!(
            " union all (select s.service_id, s.started_at, true from unexpired_services s where {condition} limit "
        ));
        query.push_bind(limit).push(")");
    }
    for column in ["s.customer_id", "s.contact_key"] {
        query.push(format!(
            " union all (select s.service_id, s.started_at, false from keys k cross join lateral (
               select s.* from unexpired_services s where {column} is not null and k.key <> '' and {} = k.key limit ",
            key(column)
        ));
        query.push_bind(limit).push(") s limit ").push_bind(limit).push(")");
    }
    query.push(
        ") f group by f.service_id order by bool_or(f.exact) desc, max(f.started_at) desc, f.service_id desc limit ",
    );
    query.push_bind(limit);
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_outside_ascii_are_spelled_in_either_case() {
        assert_eq!(spellings("O'Neil 7"), ["O'Neil 7"]);
        assert_eq!(spellings("Müller"), ["MÜller", "Müller"]);
        assert_eq!(spellings("straße"), ["straße"], "whose upper case is two letters");
        assert_eq!(spellings("éàü").len(), 8);
        let name = spellings("иван петров");
        assert_eq!(name, ["ИВАН ПЕТРОВ", "Иван Петров", "иван петров"]);
    }
}
