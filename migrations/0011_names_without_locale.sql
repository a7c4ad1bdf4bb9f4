-- Names are compared without regard to case, and by every database in the same way: lower() follows the database's locale,
-- by which a Turkish INFO is not info. Names of extensions have ASCII letters only.

-- Extensions without a declared schema that such a database took for different ones: all but one get another name, by
-- which their records can still be read.
with twins as (
  select schema_id, row_number() over (partition by element, lower(name collate "C") order by open, schema_id) as number
  from extension_schemas where deleted_at is null
)
update extension_schemas e set name = left(e.name, 25 - length(e.schema_id::text)) || '_' || e.schema_id
from twins where twins.schema_id = e.schema_id and twins.number > 1;

drop index extension_schemas_living_name;
create unique index extension_schemas_living_name on extension_schemas (element, lower(name collate "C")) where deleted_at is null;

-- A declared attribute may have the name of a field, which a learned one has.
drop index business_attributes_living_name;
create unique index business_attributes_living_name on business_attributes (lower(name collate "C"))
  where removed_at is null and not learned;
