-- Adds the open services that had started before. A service that ends meanwhile may stay in the table.
insert into open_services (service_id)
select s.service_id from services s
where not exists (
  select from dispositions d where d.service_id = s.service_id and d.element = 'service' and d.element_id = 0)
on conflict do nothing;
