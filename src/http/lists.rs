//! The lists of the states and of the tasks of a service.

/// Defines the handlers that list all, the active or the completed elements of one kind of a service.
macro_rules! lists_of_service {
    (
        $list:ident: $body:ident, $kind:ident, $description:literal, $parameters:tt;
        $($name:ident, $path:tt, $status:expr, $summary:literal;)+
    ) => {
        $(
            #[doc = $summary]
            #[utoipa::path(
                tag = "Queries",
                summary = $summary,
                description = $description,
                params $parameters,
                responses(
                    (status = 200, description = "One page of the list", body = [$body],
                        headers(("Link" = Option<String>, description = "The URL of the next page, with older elements"))),
                    ListOfServiceProblems,
                )
            )]
            #[get($path)]
            pub(super) async fn $name(
                request: HttpRequest,
                store: web::Data<Store>,
                service: ServicePath,
                query: ListInQuery<$kind>,
            ) -> Result<HttpResponse, Problem> {
                let ListInQuery(filter, view) = query;
                let filter = Filter { status: $status, ..filter };
                listed::<_, $body>(&request, store.$list(service.0, &filter, &view).await?).await
            }
        )+
    };
}

pub(super) use lists_of_service;
