-- Enters the open services that had started before there was open_services. One that ends meanwhile may stay in it.
insert into open_services (service_id)
select s.service_id from services s
where not exists (
  select from dispositions d where d.service_id = s.service_id and d.element = 'service' and d.element_id = 0)
on conflict do nothing;
