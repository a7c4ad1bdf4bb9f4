//! Query strings: the parameters of each operation (docs/api.md §3).

use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::IntoParams;

use super::extract::{from_path, is_decodable, shown};
use super::items::items;
use super::path::forwarded_prefix;
use super::problem::{Code, Problem};
use crate::domain::field::Field;
use crate::domain::ids::{Element, StateId};
use crate::domain::query::{Cursor, Filter, Nested, Page, Span, View};
use crate::domain::time::{MOMENT, Timestamp, fault};

/// Default length of a list.
const DEFAULT_LIMIT: u32 = 1000;

/// Maximum length of a list.
const MAX_LIMIT: u32 = 10_000;

/// The parameter for extensions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct ExtensionsParameter {
    /// Extensions to include: case-insensitive names, comma-separated or repeated; `*` includes all. Names apply to nested
    /// elements, too. Defaults to none. An unknown name includes nothing. `State.Survey`, `Task.*` and `Task` apply to one
    /// kind of element.
    extensions: Option<String>,
}

/// The parameters for nested tasks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct NestedTasksParameters {
    /// Include active tasks. Defaults to false.
    active_tasks: Option<bool>,
    /// Include completed tasks. Defaults to false.
    completed_tasks: Option<bool>,
}

/// The parameters for nested states.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct NestedStatesParameters {
    /// Include active states. Defaults to false.
    active_states: Option<bool>,
    /// Include completed states. Defaults to false.
    completed_states: Option<bool>,
}

/// The parameters for one page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct PageParameters {
    /// Maximum number of elements. The newest are returned, in ascending order of start and identifier.
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: Option<u32>,
    /// Cursor from the `Link` header of a previous response: returns the elements before it.
    before: Option<String>,
}

/// The filters of a list of services.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct ServiceFilterParameters {
    /// Types to include: numbers or names, comma-separated or repeated. Put a name with a comma, or with spaces at its
    /// ends, in double quotes, and double a quote in it.
    service_types: Option<String>,
    /// Include services that started at this time or later.
    #[param(format = DateTime)]
    started_from: Option<String>,
    /// Include services that started before this time.
    #[param(format = DateTime)]
    started_to: Option<String>,
    /// Include services that ended at this time or later.
    #[param(format = DateTime)]
    completed_from: Option<String>,
    /// Include services that ended before this time.
    #[param(format = DateTime)]
    completed_to: Option<String>,
}

/// The filters of a list of states.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct StateFilterParameters {
    /// Types to include: numbers or names, comma-separated or repeated. Put a name with a comma, or with spaces at its
    /// ends, in double quotes, and double a quote in it.
    state_types: Option<String>,
}

/// The filters of a list of tasks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read parameter by parameter")]
pub(super) struct TaskFilterParameters {
    /// Types to include: numbers or names, comma-separated or repeated. Put a name with a comma, or with spaces at its
    /// ends, in double quotes, and double a quote in it.
    task_types: Option<String>,
    /// States whose tasks to include: identifiers, comma-separated or repeated.
    state_id: Option<String>,
}

/// The parameters of a query string. Reading one removes it; any that remain are refused as unknown.
pub(super) struct Parameters(Vec<(String, String)>);

/// A parameter that some clients add with a new value to each request, so that no cache answers it. It is ignored.
const CACHE_BUSTER: &str = "_";

impl Parameters {
    /// Parses the query string.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        if !is_decodable(request.query_string()) {
            return Err(Problem::new(Code::InvalidQuery, "the query string is not valid percent-encoded UTF-8"));
        }
        let mut parameters: Vec<(String, String)> = serde_urlencoded::from_str(request.query_string())
            .map_err(|error| Problem::new(Code::InvalidQuery, format!("the query string is malformed: {error}")))?;
        parameters.retain(|(name, _)| name != CACHE_BUSTER);
        Ok(Self(parameters))
    }

    /// Removes all values of a parameter, in order.
    fn take(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(known, _)| known == name);
        self.0 = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that may occur once.
    pub(super) fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take(name);
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(Problem::invalid_query(name, "expected a single value".into())) }
    }

    /// The parsed value of a parameter that may occur once.
    pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        self.one(name)?.map(|text| parse(name, &text)).transpose()
    }

    /// A text that a database can hold; `None` if absent or empty.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.one(name)?.filter(|text| !text.is_empty()) {
            Some(text) if text.contains('\0') => {
                Err(Problem::invalid_query(name, "expected text without NUL".to_owned()))
            }
            text => Ok(text),
        }
    }

    /// An integer within a range.
    pub(super) fn integer<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        let detail = || format!("expected an integer from {least} to {most}, found {:?}", shown(&text));
        number.map(Some).ok_or_else(|| Problem::invalid_query(name, detail()))
    }

    /// The items of a comma-separated or repeated parameter. An empty value has no items.
    fn list(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let values = self.take(name);
        let lists: Option<Vec<_>> =
            values.iter().filter(|list| !list.trim().is_empty()).map(|list| items(list)).collect();
        let list = lists.map(|lists| lists.concat()).filter(|items| items.iter().all(|item| !item.contains('\0')));
        let expected =
            "expected comma-separated items; put one with a comma, or with spaces at its ends, in double quotes";
        list.ok_or_else(|| Problem::invalid_query(name, expected.to_owned()))
    }

    /// A date and time.
    pub(super) fn timestamp(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // In a query string `+` means a blank, and many clients do not encode the `+` of an offset.
        let with_plus = text.rsplit_once(' ').map(|(moment, offset)| format!("{moment}+{offset}"));
        let texts = || std::iter::once(&text).chain(&with_plus);
        let detail = || {
            let fault = texts().find_map(|text| fault(text)).map(|fault| format!(", {fault}")).unwrap_or_default();
            format!("expected {MOMENT}, found {:?}{fault}", shown(&text))
        };
        let timestamp = texts().find_map(|text| Timestamp::parse(text));
        timestamp.map(Some).ok_or_else(|| Problem::invalid_query(name, detail()))
    }

    pub(super) fn span(&mut self, from: &str, to: &str) -> Result<Span, Problem> {
        Ok(Span { from: self.timestamp(from)?, to: self.timestamp(to)? })
    }

    fn nested(&mut self, active: &str, completed: &str) -> Result<Nested, Problem> {
        Ok(Nested { active: self.flag(active)?, completed: self.flag(completed)? })
    }

    /// `true` or `false`, case-insensitive. Defaults to false.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        let Some(text) = self.one(name)? else { return Ok(false) };
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Problem::invalid_query(name, format!("expected true or false, found {:?}", shown(&text)))),
        }
    }

    /// The nested elements and extensions to include.
    fn view(&mut self, element: Element) -> Result<View, Problem> {
        let mut view = View::default();
        if element == Element::Service {
            view.states = self.nested("active_states", "completed_states")?;
        }
        if element != Element::Task {
            view.tasks = self.nested("active_tasks", "completed_tasks")?;
        }
        for list in self.take("extensions") {
            let added = view.extensions.add(&list);
            added.map_err(|item| {
                let expected = "expected a name or *, optionally prefixed by Service., State. or Task.";
                Problem::invalid_query("extensions", format!("{expected}, found {:?}", shown(item)))
            })?;
        }
        Ok(view)
    }

    fn limit(&mut self) -> Result<u32, Problem> {
        Ok(self.integer("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT))
    }

    fn filter(&mut self, element: Element) -> Result<Filter, Problem> {
        let limit = self.limit()?;
        let types = self.list(&format!("{}_types", element.singular()))?;
        let mut filter = Filter { types, limit, before: self.parsed::<Cursor>("before")?, ..Filter::default() };
        if element == Element::Service {
            filter.started = self.span("started_from", "started_to")?;
            filter.completed = self.span("completed_from", "completed_to")?;
        }
        if element == Element::Task {
            let states = self.list("state_id")?;
            filter.states = states.iter().map(|text| parse("state_id", text)).collect::<Result<_, _>>()?;
        }
        Ok(filter)
    }

    /// Returns `value`, or refuses the first parameter that was not read.
    pub(super) fn refuse_rest<T>(self, value: T) -> Result<T, Problem> {
        match self.0.first() {
            None => Ok(value),
            Some((name, _)) => Err(Problem::unknown_parameter(shown(name))),
        }
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::invalid_query(name, format!("{error}, found {:?}", shown(text))))
}

/// The absence of query parameters. Any parameter is refused, since ignoring it would mislead the caller.
pub(super) struct NoParameters;

/// The query parameter `state_id`.
pub(super) struct StateInQuery(pub(super) Option<StateId>);

impl StateInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let state = parameters.parsed("state_id")?;
        parameters.refuse_rest(Self(state))
    }
}

/// The query parameter `cv-attribute`: a field.
pub(super) struct FieldInQuery(pub(super) Option<Field>);

impl FieldInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        const NAME: &str = "cv-attribute";
        let mut parameters = Parameters::of(request)?;
        let Some(text) = parameters.one(NAME)? else { return parameters.refuse_rest(Self(None)) };
        let detail = || format!("expected a field such as Task.disposition, found {:?}", shown(&text));
        let field = Field::parse(&text).ok_or_else(|| Problem::invalid_query(NAME, detail()))?;
        parameters.refuse_rest(Self(Some(field)))
    }
}

/// The nested elements and extensions to include with one service, state or task.
pub(super) struct ViewInQuery<const ELEMENT: usize>(pub(super) View);

impl<const ELEMENT: usize> ViewInQuery<ELEMENT> {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let view = parameters.view(Element::ALL[ELEMENT])?;
        parameters.refuse_rest(Self(view))
    }
}

/// The filter of a list, and the nested elements and extensions to include with each element.
pub(super) struct ListInQuery<const ELEMENT: usize>(pub(super) Filter, pub(super) View);

impl<const ELEMENT: usize> ListInQuery<ELEMENT> {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let (view, filter) = (parameters.view(Element::ALL[ELEMENT])?, parameters.filter(Element::ALL[ELEMENT])?);
        parameters.refuse_rest(Self(filter, view))
    }
}

// Kinds of elements as const parameters of `ViewInQuery` and `ListInQuery`.
pub(super) const SERVICE: usize = Element::Service as usize;
pub(super) const STATE: usize = Element::State as usize;
pub(super) const TASK: usize = Element::Task as usize;

from_path!(NoParameters, request => Parameters::of(request).and_then(|parameters| parameters.refuse_rest(Self)));
from_path!(FieldInQuery, request => Self::read(request));
from_path!(StateInQuery, request => Self::read(request));
from_path!(ViewInQuery<SERVICE>, request => Self::read(request));
from_path!(ViewInQuery<STATE>, request => Self::read(request));
from_path!(ViewInQuery<TASK>, request => Self::read(request));
from_path!(ListInQuery<SERVICE>, request => Self::read(request));
from_path!(ListInQuery<STATE>, request => Self::read(request));
from_path!(ListInQuery<TASK>, request => Self::read(request));

/// 200 with one page of a list. If older elements remain, the `Link` header has the URL of the next page.
pub(super) async fn listed<T, B>(request: &HttpRequest, page: Page<T>) -> Result<HttpResponse, Problem>
where
    T: Send + 'static,
    B: From<T> + Serialize,
{
    let mut answer = HttpResponse::Ok();
    if let Some(link) = page.older.and_then(|older| link(request, older)) {
        answer.insert_header((header::LINK, link));
    }
    let json = elsewhere(move || array::<T, B>(page.elements)).await?;
    Ok(answer.content_type(ContentType::json()).body(json))
}

/// 200 with one element, which may have many others nested in it.
pub(super) async fn one<T, B>(element: T) -> Result<HttpResponse, Problem>
where
    T: Send + 'static,
    B: From<T> + Serialize,
{
    let json = elsewhere(move || serde_json::to_vec(&B::from(element)).unwrap_or_default()).await?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(json))
}

/// Writes the elements one by one, and converts each to its body only when it is written, so that there is never more
/// than one body in memory.
fn array<T, B: From<T> + Serialize>(elements: Vec<T>) -> Vec<u8> {
    let mut json = vec![b'['];
    for (at, element) in elements.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        // This cannot fail: the names in a body are strings, and writing to a vector always succeeds.
        drop(serde_json::to_writer(&mut json, &B::from(element)));
    }
    json.push(b']');
    json
}

/// Does work that may take long, on a thread that serves no connections.
pub(super) async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    web::block(work).await.map_err(|_| Problem::new(Code::Internal, "the answer could not be written"))
}

fn link(request: &HttpRequest, older: Cursor) -> Option<HeaderValue> {
    let mut parameters: Vec<(String, String)> = serde_urlencoded::from_str(request.query_string()).ok()?;
    parameters.retain(|(name, _)| name != "before" && name != CACHE_BUSTER);
    parameters.push(("before".into(), older.to_string()));
    let query = serde_urlencoded::to_string(parameters).ok()?;
    let prefix = forwarded_prefix(request.headers());
    HeaderValue::from_str(&format!("<{prefix}{}?{query}>; rel=\"prev\"", request.uri().path())).ok()
}
