-- Who may call the service, shared by all nodes.

create sequence credential_id_seq as integer;

create table credentials (
  credential_id integer     not null default nextval('credential_id_seq'),
  created_at    timestamptz not null,
  name          text        not null,
  kind          text        not null,
  role          text        not null,
  hash          text        not null,
  constraint credentials_pk primary key (credential_id),
  constraint credentials_kind_known check (kind in ('password', 'token')),
  constraint credentials_role_known check (role in ('reader', 'writer', 'administrator'))
);
comment on table credentials is 'Passwords and tokens, as hashes. A user may have several, so that one can replace another without a gap.';
comment on column credentials.credential_id is 'Drawn from credential_id_seq.';
comment on column credentials.created_at is 'When it was added.';
comment on column credentials.name is 'The user whose it is.';
comment on column credentials.kind is 'password (HTTP Basic) or token (bearer).';
comment on column credentials.role is 'What it lets its bearer do: reader, writer or administrator, each with all that those before it may.';
comment on column credentials.hash is 'Of a password: Argon2id, with salt and parameters. Of a token, which is 256 random bits: BLAKE3.';

alter table deployment add column credentials_version bigint not null default 1;
comment on column deployment.credentials_version is 'Grows with every change of credentials: by it each node knows whether its copy is current.';
