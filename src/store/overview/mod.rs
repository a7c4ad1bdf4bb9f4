//! The overview of services: where each stands, totals, and the search for a customer (docs/api.md §8, Pages).
//!
//! An overview considers a limited number of services, which it finds by their start.

mod rows;
mod search;
mod sql;

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Store, StoreError};
use crate::domain::ids::ServiceId;
use crate::domain::overview::{MOST_FOUND, Match, Overview, Selection, Share, Standing, Totals};
use crate::domain::time::{DAY, HOUR, Timestamp};

use rows::{ShareRow, StandingRow, TotalsRow};

/// The most services that are counted as started in a day.
const MOST_STARTED: i64 = 100_000;

/// The most values of a property that are returned.
const MOST_SHARES: i64 = 12;

impl Store {
    /// Lists the services of a selection, at most `limit`: open ones first, beginning with the most overdue.
    pub async fn list_overview(&self, selection: &Selection, limit: i64) -> Result<Overview, StoreError> {
        let now = self.now();
        self.read_overview(async |snapshot| overview(snapshot, selection, limit, now).await).await
    }

    /// Lists the services of a selection, and counts them by their properties, in one snapshot.
    pub async fn get_overview(&self, selection: &Selection, limit: i64) -> Result<(Overview, Vec<Share>), StoreError> {
        let now = self.now();
        self.read_overview(async |snapshot| {
            let overview = overview(&mut *snapshot, selection, limit, now).await?;
            Ok((overview, shares(snapshot, selection, now).await?))
        })
        .await
    }

    /// Gets an overview with the totals of services, in one snapshot.
    pub async fn get_overview_with_totals(
        &self,
        selection: &Selection,
        limit: i64,
    ) -> Result<(Totals, Overview, Vec<Share>), StoreError> {
        let now = self.now();
        self.read_overview(async |snapshot| {
            let totals = totals(&mut *snapshot, now).await?;
            let overview = overview(&mut *snapshot, selection, limit, now).await?;
            Ok((totals, overview, shares(snapshot, selection, now).await?))
        })
        .await
    }

    /// Finds services by customer, contact key, interaction, session or service id. Services with exactly this text
    /// come first, then those whose customer or contact key differs only in case, blanks or the signs between digits.
    pub async fn find_services(&self, text: &str) -> Result<Vec<Match>, StoreError> {
        // PostgreSQL text cannot contain NUL.
        if text.is_empty() || text.contains('\0') {
            return Ok(Vec::new());
        }
        let query = search::query(text, MOST_FOUND);
        let rows: Vec<rows::MatchRow> = self.read_overview(async |snapshot| fetch_all(snapshot, query).await).await?;
        Ok(rows.into_iter().map(Match::from).collect())
    }

    /// Lists services that a search has found, open ones first.
    pub async fn list_standings(&self, services: &[ServiceId]) -> Result<Vec<Standing>, StoreError> {
        let mut query = QueryBuilder::new("-- list_standings\n");
        sql::push_given(&mut query, services.iter().map(|service| service.0).collect(), self.now());
        query.push("select c.*, 0::bigint as total, ").push(rows::STEP_COLUMNS).push(" from measured c");
        sql::push_steps(&mut query, self.now());
        query.push(sql::ORDER);
        let rows: Vec<StandingRow> = self.read_overview(async |snapshot| fetch_all(snapshot, query).await).await?;
        Ok(rows.into_iter().map(Standing::from).collect())
    }

    /// Runs a read without just-in-time compilation, which would take longer than its statements.
    async fn read_overview<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(async |snapshot| {
            sqlx::query("set local jit = off").execute(&mut *snapshot).await?;
            work(snapshot).await
        })
        .await
    }
}

async fn overview(
    snapshot: &mut PgConnection,
    selection: &Selection,
    limit: i64,
    now: Timestamp,
) -> Result<Overview, StoreError> {
    let mut query = QueryBuilder::new("-- list_overview\n");
    sql::push_recent(&mut query, selection, now);
    sql::push_chosen(&mut query, selection);
    query
        .push("select c.*, ")
        .push(rows::STEP_COLUMNS)
        .push(" from (select *, count(*) over () as total from chosen c ");
    query.push(sql::ORDER).push(" limit ").push_bind(limit).push(") c");
    sql::push_steps(&mut query, now);
    query.push(sql::ORDER);
    let rows: Vec<StandingRow> = fetch_all(snapshot, query).await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok(Overview { rows: rows.into_iter().map(Standing::from).collect(), total })
}

/// Counts the services of a selection by type, channel and disposition, the most frequent values first.
async fn shares(snapshot: &mut PgConnection, selection: &Selection, now: Timestamp) -> Result<Vec<Share>, StoreError> {
    let mut query = QueryBuilder::new("-- count_shares\n");
    sql::push_recent(&mut query, selection, now);
    sql::push_chosen(&mut query, selection);
    query.push(
        "select property, value, tone, services from (
           select property, value, max(of.tone) as tone, count(*) as services,
             row_number() over (partition by property order by count(*) desc, value collate \"C\") as place
           from chosen
           cross join lateral (values ('type', service_type, null), ('channel', channel, null),
             ('disposition', disposition, chosen.tone)) as of(property, value, tone)
           where value is not null group by property, value
         ) counted where place <= ",
    );
    query.push_bind(MOST_SHARES).push(" order by property, place");
    let rows: Vec<ShareRow> = fetch_all(snapshot, query).await?;
    Ok(rows.into_iter().map(Share::from).collect())
}

/// Counts the services that are open or overdue, ended in the last hour, or started today.
async fn totals(snapshot: &mut PgConnection, now: Timestamp) -> Result<Totals, StoreError> {
    let (day, hour) = (now.start_of_day(), now.minus(HOUR));
    let mut query = QueryBuilder::new("-- count_totals\n");
    sql::push_recent(&mut query, &Selection::default(), now);
    query.push(
        "select count(*) filter (where s.ended is null) as open,
           count(*) filter (where s.ended is null and s.elapsed_ms > s.expected_ms) as overdue,
           count(*) filter (where s.ended >= ",
    );
    query.push_bind(hour.to_datetime()).push(") as ended, count(*) filter (where s.ended >= ");
    query.push_bind(hour.to_datetime()).push(" and ").push(sql::ENDED_BADLY).push(") as ended_badly, (");
    push_started(&mut query, day, now.minus(-1));
    query.push(") as started_today, (");
    push_started(&mut query, day.minus(7 * DAY), now.minus(7 * DAY - 1));
    query.push(") as started_week_before, count(*) as considered, min(s.started) as oldest from measured s");
    let [totals]: [TotalsRow; 1] =
        fetch_all(snapshot, query).await?.try_into().map_err(|_| StoreError::Unavailable(None))?;
    Ok(totals.into())
}

async fn fetch_all<T>(snapshot: &mut PgConnection, mut query: QueryBuilder<'_, Postgres>) -> Result<Vec<T>, StoreError>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(query.build_query_as().persistent(false).fetch_all(snapshot).await?)
}

/// Appends a query that counts the services that started in a period.
fn push_started(query: &mut QueryBuilder<'_, Postgres>, from: Timestamp, to: Timestamp) {
    query
        .push("select count(*) from (select from unexpired_services where started_at >= ")
        .push_bind(from.to_datetime());
    query
        .push(" and started_at < ")
        .push_bind(to.to_datetime())
        .push(" limit ")
        .push_bind(MOST_STARTED)
        .push(") as started");
}
