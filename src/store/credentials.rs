//! Credentials, which authenticate callers. They are stored in the database, and every node refreshes its copy.

use std::sync::Arc;

use sqlx::PgPool;

use super::{Store, StoreError};
use crate::domain::access::{Credential, CredentialKind, Role, SecretHash};

pub(super) async fn read(pool: &PgPool) -> Result<Vec<Credential>, sqlx::Error> {
    let rows = sqlx::query!(
        "-- read_credentials
        select credential_id, name, kind, role, hash from credentials order by name collate \"C\", credential_id"
    )
    .fetch_all(pool)
    .await?;
    let credentials = rows.into_iter().filter_map(|row| {
        let kind =
            if row.kind == CredentialKind::Token.word() { CredentialKind::Token } else { CredentialKind::Password };
        // A role that only a newer version knows grants nothing here.
        let role = row.role.parse().ok()?;
        Some(Credential { id: row.credential_id, name: row.name, kind, role, hash: SecretHash(row.hash) })
    });
    Ok(credentials.collect())
}

impl Store {
    /// All credentials as this node knows them, at most a second old.
    pub fn credentials(&self) -> Arc<Vec<Credential>> {
        self.deployment.credentials()
    }

    /// Adds a credential and returns its identifier. It is in force on every node within a second.
    pub async fn add_credential(
        &self,
        name: &str,
        kind: CredentialKind,
        role: Role,
        hash: &SecretHash,
    ) -> Result<i32, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let id = sqlx::query_scalar!(
            "-- add_credential
            insert into credentials (created_at, name, kind, role, hash) values ($1, $2, $3, $4, $5)
            returning credential_id",
            self.clock.now().to_datetime(),
            name,
            kind.word(),
            role.word(),
            hash.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        self.change_credentials(transaction).await?;
        Ok(id)
    }

    /// Removes all credentials of a user, or the one with this identifier, and returns their number. The removal is in
    /// force on every node within a second.
    pub async fn remove_credentials(&self, name: &str, id: Option<i32>) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let removed = sqlx::query!(
            "-- remove_credentials
            delete from credentials where name = $1 and ($2::int is null or credential_id = $2)",
            name,
            id
        )
        .execute(&mut *transaction)
        .await?;
        self.change_credentials(transaction).await?;
        Ok(removed.rows_affected())
    }

    async fn change_credentials(
        &self,
        mut transaction: sqlx::Transaction<'_, sqlx::Postgres>,
    ) -> Result<(), StoreError> {
        sqlx::query!("-- change_credentials\nupdate deployment set credentials_version = credentials_version + 1")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.deployment.refresh(&self.pool).await?;
        Ok(())
    }
}
