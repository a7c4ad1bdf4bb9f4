//! The extension records of the elements of a response. Their size is limited.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::super::batch::ElementColumn;
use super::spread::in_lanes_of;
use super::{Member, StoreError};
use crate::domain::ids::{Element, ElementKey, ServiceId};
use crate::domain::query::ExtensionSelections;
use crate::store::lanes::Lanes;

/// The most bytes of extension records in a response (docs/api.md §3).
const MOST_RECORDS: i64 = 16 * 1024 * 1024;

/// Records by element and name.
pub(super) type Extensions = HashMap<ElementKey, BTreeMap<String, Box<RawValue>>>;

/// Records of the elements of a page.
pub(super) struct Records {
    pub(super) by_key: Extensions,
    /// The number of elements of the page, from the first on, whose records are complete.
    pub(super) fitting: usize,
}

/// An element with the place of its owner on the page.
type Placed = (ElementKey, i32);

/// A record; `None` if it does not fit into a response.
struct Found {
    service_id: i64,
    element: ElementColumn,
    element_id: i32,
    name: String,
    place: i32,
    records: Option<Json<Box<RawValue>>>,
}

/// Reads the selected extensions of rows, as far as they fit into a response. Fails if the extensions of the first
/// element do not fit. `spread` has the lanes if the rows are in several.
pub(super) async fn selected(
    snapshot: &mut PgConnection,
    rows: &[Member<'_>],
    selections: &ExtensionSelections,
    spread: Option<&Lanes>,
) -> Result<Records, StoreError> {
    let mut records = Records { by_key: HashMap::new(), fitting: usize::MAX };
    let is_selected = |member: &Member<'_>| !selections.of(member.element).is_empty();
    let elements = placed(rows).filter(|(_, member)| is_selected(member));
    let elements: Vec<Placed> = elements.map(|(place, member)| (member.row.key(member.element), place)).collect();
    if elements.is_empty() {
        return Ok(records);
    }
    let found = match spread {
        None => read(snapshot, &elements, selections).await?,
        Some(lanes) => {
            let items = elements.iter().map(|element| (element.0.service.0, *element));
            let read = async |lane: &mut PgConnection, elements: &[Placed]| read(lane, elements, selections).await;
            let mut found = in_lanes_of(lanes, snapshot, items, read).await?;
            cut(&mut found);
            found
        }
    };
    for row in found {
        let Some(Json(json)) = row.records else {
            records.fitting = records.fitting.min(usize::try_from(row.place).unwrap_or_default());
            continue;
        };
        let key = ElementKey { service: ServiceId(row.service_id), element: row.element.into(), id: row.element_id };
        records.by_key.entry(key).or_default().insert(row.name, json);
    }
    if records.fitting == 0 { Err(StoreError::TooLarge { limit: MOST_RECORDS }) } else { Ok(records) }
}

/// Removes the records of several lanes that do not fit into a response together. Those of each lane do.
fn cut(found: &mut [Found]) {
    found.sort_by_key(|row| row.place);
    let mut size = 0;
    for of_place in found.chunk_by_mut(|one, next| one.place == next.place) {
        size += of_place.iter().flat_map(|row| &row.records).map(|records| records.get().len()).sum::<usize>();
        if i64::try_from(size).is_ok_and(|size| size <= MOST_RECORDS) {
            continue;
        }
        for row in of_place {
            row.records = None;
        }
    }
}

async fn read(
    snapshot: &mut PgConnection,
    elements: &[Placed],
    selections: &ExtensionSelections,
) -> Result<Vec<Found>, sqlx::Error> {
    let (keys, places): (Vec<_>, Vec<_>) = elements.iter().copied().unzip();
    let [service, state, task] = Element::ALL.map(|element| selections.of(element));
    let found = sqlx::query_as!(
        Found,
        r#"-- query_extensions
        with named_like_elements as (
          select lower(name collate "C") as name from extension_schemas
          where deleted_at is null and lower(name collate "C") in ('service', 'state', 'task')
        )
        select x.service_id, x.element as "element: ElementColumn", x.element_id, e.name,
          k.place as "place!",
          case when sum(octet_length(x.records::text)) over (order by k.place) <= $14 then x.records end
            as "records: Json<Box<RawValue>>"
        from unnest($1::bigint[], $2::element[], $3::int[], $4::int[]) as k(service_id, element, element_id, place)
        join extensions x on x.service_id = k.service_id and x.element = k.element and x.element_id = k.element_id
        join extension_schemas e on e.schema_id = x.schema_id and e.deleted_at is null
        where case x.element
          when 'service' then $5 or lower(e.name collate "C") = any($6)
            or ($11 and 'service' not in (select name from named_like_elements))
          when 'state' then $7 or lower(e.name collate "C") = any($8)
            or ($12 and 'state' not in (select name from named_like_elements))
          else $9 or lower(e.name collate "C") = any($10)
            or ($13 and 'task' not in (select name from named_like_elements)) end"#,
        &keys.iter().map(|key| key.service.0).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.element.into()).collect::<Vec<ElementColumn>>() as _,
        &keys.iter().map(|key| key.id).collect::<Vec<_>>(),
        &places,
        service.all,
        &service.names,
        state.all,
        &state.names,
        task.all,
        &task.names,
        service.all_unless_named,
        state.all_unless_named,
        task.all_unless_named,
        MOST_RECORDS,
    )
    .fetch_all(snapshot);
    found.await
}

/// Each row with its owner's place on the page. Owners come in the order of the page, before the rows nested in them.
fn placed<'a>(rows: &'a [Member<'a>]) -> impl Iterator<Item = (i32, &'a Member<'a>)> {
    let mut places = HashMap::new();
    rows.iter().map(move |member| {
        let next = i32::try_from(places.len()).unwrap_or(i32::MAX);
        (*places.entry(member.owner).or_insert(next), member)
    })
}
