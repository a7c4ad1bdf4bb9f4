//! The search for a customer by anything that identifies one of their services.

use sqlx::{Postgres, QueryBuilder};

/// The text of a column or parameter without case, blanks and the signs between digits. The indexes
/// `services_customer_key_idx` and `services_contact_key_idx` have the same expression. ASCII letters are lower-cased
/// in every locale, other letters as the database's locale defines.
fn key(text: &str) -> String {
    let signs = r"E' \u00A0\u2009\u202F-\u2010\u2011\u2013+()./'";
    format!(r#"(lower(lower(translate({text}, {signs}, '') collate "C") collate "default") collate "C")"#)
}

/// The query of a search, with at most `limit` services by each kind of identifier.
pub(super) fn query(text: &str, limit: i64) -> QueryBuilder<'static, Postgres> {
    let sought = key("q.text");
    let [customer, contact] = ["customer_id", "contact_key"];
    let newest = " order by s.started_at desc, s.service_id desc";
    let exactly = [
        format!("s.customer_id = q.text{newest}"),
        format!("s.customer_id is null and s.contact_key = q.text{newest}"),
        format!("s.contact_key is not null and {} = {sought} and s.contact_key = q.text", key("s.contact_key")),
        "s.interaction_id = q.text".to_owned(),
        "s.session_id = q.text".to_owned(),
    ];
    let similarly = [customer, contact].map(|column| {
        format!("s.{column} is not null and {sought} <> '' and {} = {sought}", key(&format!("s.{column}")))
    });
    let mut query = QueryBuilder::new("-- find_services\nwith q as (select ");
    query
        .push_bind(text.to_owned())
        .push("::text as text) select f.service_id, bool_or(f.exact) as exact from q cross join lateral (");
    let number = text.trim_start_matches('#').parse::<i64>().unwrap_or(0);
    query.push("(select s.service_id, s.started_at, true as exact from unexpired_services s where s.service_id = ");
    query.push_bind(number).push(")");
    let conditions = exactly.iter().map(|one| (true, one)).chain(similarly.iter().map(|one| (false, one)));
    for (exact, condition) in conditions {
        query.push(format!(
            " union all (select s.service_id, s.started_at, {exact} from unexpired_services s where {condition} limit "
        ));
        query.push_bind(limit).push(")");
    }
    query.push(
        ") f group by f.service_id order by bool_or(f.exact) desc, max(f.started_at) desc, f.service_id desc limit ",
    );
    query.push_bind(limit);
    query
}
