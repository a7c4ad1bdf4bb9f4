//! Queries. Every response needs a few statements, however long it is. They share one snapshot of the database.

mod journeys;
mod lists;
mod meanings;
mod nested;
mod records;
mod rows;
mod spread;

use sqlx::PgConnection;

use super::lanes::Lanes;
use super::{Store, StoreError};
use crate::domain::element::{ByStatus, Lifecycle, Service, State, Task};
use crate::domain::ids::{Element, ElementKey, ServiceId, StateId, TaskId};
use crate::domain::query::{Cursor, Filter, Listed, Nested, Page, View};
use crate::domain::refusal::Refusal;

use meanings::Meanings;
use nested::NestedRows;
use records::{Extensions, Records};
use rows::{ElementRow, Owners};

pub(super) use meanings::KnownMeanings;

/// The rows of a page, the newest first, and the cursor of the next older page.
struct Found {
    rows: Vec<ElementRow>,
    older: Option<Cursor>,
    /// Whether the rows are in several lanes. Otherwise the read has entered theirs.
    spread: bool,
}

impl Found {
    /// A page of a single row.
    fn one(row: ElementRow) -> Self {
        Self { rows: vec![row], older: None, spread: false }
    }

    /// The page that begins with these rows. If there is one more row than the limit, there is an older page.
    fn page(mut rows: Vec<ElementRow>, listed: &Listed, filter: &Filter) -> Self {
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let older = rows.last().filter(|_| more).map(|oldest| oldest.cursor(rows::element_of(listed)));
        Self { rows, older, spread: false }
    }

    /// Shortens the page to its newest `count` rows; the next older page begins after them.
    fn keep(&mut self, count: usize, element: Element) {
        if count < self.rows.len() {
            self.rows.truncate(count);
            self.older = self.rows.last().map(|oldest| oldest.cursor(element));
        }
    }
}

/// The elements of two pages that have one element each.
fn both<T>(mut first: Page<T>, mut second: Page<T>, element: Element) -> Result<[T; 2], StoreError> {
    let pair = first.elements.pop().zip(second.elements.pop());
    pair.map(<[T; 2]>::from).ok_or_else(|| Refusal::Unknown(element).into())
}

impl Store {
    /// Gets a service (docs/api.md §3).
    pub async fn get_service(&self, id: ServiceId, view: &View) -> Result<Service, StoreError> {
        let read = self.read_service(id, async |snapshot| {
            let row = rows::one(&mut *snapshot, ElementKey::service(id)).await?;
            let row = row.ok_or(Refusal::Unknown(Element::Service))?;
            self.services(snapshot, Found::one(row), view).await
        });
        read.await?.elements.pop().ok_or_else(|| Refusal::Unknown(Element::Service).into())
    }

    /// Gets a state of a service (docs/api.md §3).
    pub async fn get_state(&self, service: ServiceId, id: StateId, view: &View) -> Result<State, StoreError> {
        let read = self.read_service(service, async |snapshot| {
            let row = one_of_service(&mut *snapshot, ElementKey::state(service, id)).await?;
            self.states(snapshot, service, Found::one(row), view).await
        });
        read.await?.elements.pop().ok_or_else(|| Refusal::Unknown(Element::State).into())
    }

    /// Gets a task of a service (docs/api.md §3).
    pub async fn get_task(&self, service: ServiceId, id: TaskId, view: &View) -> Result<Task, StoreError> {
        let read = self.read_service(service, async |snapshot| {
            let row = one_of_service(&mut *snapshot, ElementKey::task(service, id)).await?;
            self.tasks(snapshot, Found::one(row), view).await
        });
        read.await?.elements.pop().ok_or_else(|| Refusal::Unknown(Element::Task).into())
    }

    /// Gets a service in two forms, for people and as recorded, from one snapshot.
    pub async fn show_service(&self, id: ServiceId) -> Result<[Service; 2], StoreError> {
        self.read_service(id, async |snapshot| {
            let row = rows::one(&mut *snapshot, ElementKey::service(id)).await?;
            let row = row.ok_or(Refusal::Unknown(Element::Service))?;
            let for_people = self.services(&mut *snapshot, Found::one(row.clone()), &View::of_element()).await?;
            let recorded = self.services(snapshot, Found::one(row), &View::of_record()).await?;
            both(for_people, recorded, Element::Service)
        })
        .await
    }

    /// Gets a state in two forms, for people and as recorded, from one snapshot.
    pub async fn show_state(&self, service: ServiceId, id: StateId) -> Result<[State; 2], StoreError> {
        self.read_service(service, async |snapshot| {
            let row = one_of_service(&mut *snapshot, ElementKey::state(service, id)).await?;
            let for_people = self.states(&mut *snapshot, service, Found::one(row.clone()), &View::of_element()).await?;
            let recorded = self.states(snapshot, service, Found::one(row), &View::of_record()).await?;
            both(for_people, recorded, Element::State)
        })
        .await
    }

    /// Gets a task in two forms, for people and as recorded, from one snapshot.
    pub async fn show_task(&self, service: ServiceId, id: TaskId) -> Result<[Task; 2], StoreError> {
        self.read_service(service, async |snapshot| {
            let row = one_of_service(&mut *snapshot, ElementKey::task(service, id)).await?;
            let for_people = self.tasks(&mut *snapshot, Found::one(row.clone()), &View::of_element()).await?;
            let recorded = self.tasks(snapshot, Found::one(row), &View::of_record()).await?;
            both(for_people, recorded, Element::Task)
        })
        .await
    }

    /// Lists states of a service (docs/api.md §3). A page is shorter than requested if more would be nested in it than
    /// the view allows.
    pub async fn list_states(
        &self,
        service: ServiceId,
        filter: &Filter,
        view: &View,
    ) -> Result<Page<State>, StoreError> {
        self.read_service(service, async |snapshot| {
            let found = page(&mut *snapshot, &Listed::States(service), filter).await?;
            self.states(snapshot, service, found, view).await
        })
        .await
    }

    /// Lists tasks of a service (docs/api.md §3).
    pub async fn list_tasks(&self, service: ServiceId, filter: &Filter, view: &View) -> Result<Page<Task>, StoreError> {
        self.read_service(service, async |snapshot| {
            let found = page(&mut *snapshot, &Listed::Tasks(service), filter).await?;
            self.tasks(snapshot, found, view).await
        })
        .await
    }

    async fn services(
        &self,
        snapshot: &mut PgConnection,
        mut found: Found,
        view: &View,
    ) -> Result<Page<Service>, StoreError> {
        let ids: Vec<_> = found.rows.iter().map(|row| row.service_id).collect();
        let owners = if found.spread { Owners::Spread(&ids, &self.lanes) } else { Owners::Services(&ids) };
        let most = view.most_nested;
        let states = NestedRows::read(&mut *snapshot, Element::State, owners, view.states, most).await?;
        let tasks = NestedRows::read(&mut *snapshot, Element::Task, owners, view.tasks, most).await?;
        found.keep(states.fitting().min(tasks.fitting()), Element::Service);
        self.with_steps(snapshot, found, (states, tasks), view).await
    }

    /// Makes services of rows, with the states and tasks that were read for them.
    async fn with_steps(
        &self,
        snapshot: &mut PgConnection,
        mut found: Found,
        (mut states, mut tasks): (NestedRows, NestedRows),
        view: &View,
    ) -> Result<Page<Service>, StoreError> {
        let rows = found.rows.iter().map(|row| (Element::Service, row));
        let rows = rows.chain(states.rows().map(|row| (Element::State, row)));
        let rows = rows.chain(tasks.rows().map(|row| (Element::Task, row)));
        let rows: Vec<_> = rows.map(|(element, row)| Member { owner: row.service_id, element, row }).collect();
        let spread = found.spread.then_some(&*self.lanes);
        let mut related = self.related(snapshot, &rows, view, spread).await?;
        found.keep(related.fitting, Element::Service);
        let lifetimes = self.lifetimes;
        let general = lifetimes.auto_complete_after.map(|after| after.num_seconds());
        let service = |row: ElementRow| {
            let (states, tasks) = (states.take(row.service_id), tasks.take(row.service_id));
            Service {
                service_id: ServiceId(row.service_id),
                customer_id: row.customer_id.clone(),
                contact_key: row.contact_key.clone(),
                expires_at: row.expiry(lifetimes.service_ttl),
                auto_complete_after: row.auto_complete_after.or(general),
                states: related.by_status(view.states, states, |related, row| related.state(row, ByStatus::default())),
                tasks: related.by_status(view.tasks, tasks, Related::task),
                lifecycle: related.lifecycle(Element::Service, row),
            }
        };
        Ok(Page { elements: found.rows.into_iter().rev().map(service).collect(), older: found.older })
    }

    async fn states(
        &self,
        snapshot: &mut PgConnection,
        service: ServiceId,
        mut found: Found,
        view: &View,
    ) -> Result<Page<State>, StoreError> {
        let ids: Vec<_> = found.rows.iter().map(|row| row.element_id).collect();
        let owners = Owners::StatesOf(service, &ids);
        let mut tasks = NestedRows::read(&mut *snapshot, Element::Task, owners, view.tasks, view.most_nested).await?;
        found.keep(tasks.fitting(), Element::State);
        let member = |element, owner: i32, row| Member { owner: owner.into(), element, row };
        let rows = found.rows.iter().map(|row| member(Element::State, row.element_id, row));
        let tasks_of = |row: &ElementRow| row.state_id.unwrap_or_default();
        let rows: Vec<_> = rows.chain(tasks.rows().map(|row| member(Element::Task, tasks_of(row), row))).collect();
        let mut related = self.related(snapshot, &rows, view, None).await?;
        found.keep(related.fitting, Element::State);
        let state = |row: ElementRow| {
            let tasks = related.by_status(view.tasks, tasks.take(row.element_id.into()), Related::task);
            related.state(row, tasks)
        };
        Ok(Page { elements: found.rows.into_iter().rev().map(state).collect(), older: found.older })
    }

    async fn tasks(
        &self,
        snapshot: &mut PgConnection,
        mut found: Found,
        view: &View,
    ) -> Result<Page<Task>, StoreError> {
        let member = |row: &ElementRow| i64::from(row.element_id);
        let rows = found.rows.iter().map(|row| Member { owner: member(row), element: Element::Task, row });
        let rows: Vec<_> = rows.collect();
        let mut related = self.related(snapshot, &rows, view, None).await?;
        found.keep(related.fitting, Element::Task);
        let tasks = found.rows.into_iter().rev().map(|row| related.task(row)).collect();
        Ok(Page { elements: tasks, older: found.older })
    }

    /// Reads the meanings of the rows' values, and the selected extensions. The elements of the page, which come first,
    /// are the owners of all rows. `spread` has the lanes if the rows are in several.
    async fn related(
        &self,
        snapshot: &mut PgConnection,
        rows: &[Member<'_>],
        view: &View,
        spread: Option<&Lanes>,
    ) -> Result<Related, StoreError> {
        let values = rows.iter().flat_map(|member| member.row.values()).collect();
        let meanings = if view.for_people {
            Meanings::for_people(&mut *snapshot, values).await?
        } else {
            self.meanings.of(&mut *snapshot, values).await?
        };
        let Records { by_key, fitting } = records::selected(snapshot, rows, &view.extensions, spread).await?;
        Ok(Related { meanings, extensions: by_key, fitting })
    }
}

/// A row of a response.
struct Member<'a> {
    /// The identifier of the element of the page to which the row belongs, perhaps its own.
    owner: i64,
    element: Element,
    row: &'a ElementRow,
}

/// Reads the row of a state or task. Fails if the element or its service does not exist.
async fn one_of_service(snapshot: &mut PgConnection, key: ElementKey) -> Result<ElementRow, StoreError> {
    if let Some(row) = rows::one(&mut *snapshot, key).await? {
        return Ok(row);
    }
    expect_service(snapshot, key.service).await?;
    Err(Refusal::Unknown(key.element).into())
}

async fn expect_service(snapshot: &mut PgConnection, id: ServiceId) -> Result<(), StoreError> {
    let exists = sqlx::query_scalar!(
        r#"-- service_exists
        select exists (select from unexpired_services where service_id = $1) as "exists!""#,
        id.0
    )
    .fetch_one(snapshot)
    .await?;
    if exists { Ok(()) } else { Err(Refusal::Unknown(Element::Service).into()) }
}

/// Reads the rows of a page. Fails if the service does not exist.
async fn page(snapshot: &mut PgConnection, listed: &Listed, filter: &Filter) -> Result<Found, StoreError> {
    let rows = rows::listed(&mut *snapshot, listed, filter).await?;
    if let (Listed::States(service) | Listed::Tasks(service), true) = (listed, rows.is_empty()) {
        expect_service(snapshot, *service).await?;
    }
    Ok(Found::page(rows, listed, filter))
}

/// The values and extensions that rows refer to.
struct Related {
    meanings: Meanings,
    extensions: Extensions,
    /// The number of elements of the page, from the first on, whose extensions fit into a response.
    fitting: usize,
}

impl Related {
    fn lifecycle(&mut self, element: Element, row: ElementRow) -> Lifecycle {
        let extensions = self.extensions.remove(&row.key(element)).unwrap_or_default();
        row.lifecycle(&self.meanings, extensions)
    }

    fn state(&mut self, row: ElementRow, tasks: ByStatus<Task>) -> State {
        State {
            service_id: ServiceId(row.service_id),
            state_id: StateId(row.element_id),
            previous_state_id: row.state_id.map(StateId),
            lifecycle: self.lifecycle(Element::State, row),
            tasks,
        }
    }

    fn task(&mut self, row: ElementRow) -> Task {
        Task {
            service_id: ServiceId(row.service_id),
            task_id: TaskId(row.element_id),
            state_id: row.state_id.map(StateId),
            lifecycle: self.lifecycle(Element::Task, row),
        }
    }

    fn by_status<T>(
        &mut self,
        asked: Nested,
        (rows, omitted): (Vec<ElementRow>, u64),
        element: impl Fn(&mut Self, ElementRow) -> T,
    ) -> ByStatus<T> {
        let (active, completed): (Vec<_>, Vec<_>) = rows.into_iter().partition(ElementRow::is_active);
        let mut all = |rows: Vec<ElementRow>| rows.into_iter().map(|row| element(self, row)).collect();
        let active = asked.active.then(|| all(active));
        ByStatus { active, completed: asked.completed.then(|| all(completed)), omitted }
    }
}
