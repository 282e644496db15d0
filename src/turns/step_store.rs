//! How steps are kept.

use diesel::dsl::{exists, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use super::backend::Conn;
use crate::db::ids::Id;
use crate::db::tables::{sessions, steps};
use crate::db::types::BigInteger;
use crate::error::{Error, Result};
use crate::turns::{Step, StepStatus, Usage};

/// Stores how a running step ended.
pub async fn finish_step(conn: &mut Conn, step: &Step) -> Result<()> {
    let change = (
        steps::status.eq(step.status),
        steps::model.eq(&step.model),
        steps::text.eq(&step.text),
        steps::reasoning.eq(&step.reasoning),
        steps::input_tokens.eq(step.input_tokens),
        steps::output_tokens.eq(step.output_tokens),
        steps::cached_input_tokens.eq(step.cached_input_tokens),
        steps::reasoning_tokens.eq(step.reasoning_tokens),
        steps::finished_at.eq(step.finished_at),
    );
    let row = steps::table.find((step.organization_id, step.session_id, step.started_sequence));
    // Ended already: an end whose commit went through although its answer was lost is not stored twice.
    let ended = diesel::update(row.filter(steps::status.eq(StepStatus::Running))).set(change).execute(conn).await?;
    if ended == 1 { Ok(()) } else { Err(Error::fenced()) }
}

/// Stores what a running step has said so far, where its turn is still ours; tells whether it is.
pub async fn checkpoint(conn: &mut Conn, epoch: i64, step: Step) -> Result<bool> {
    let session = sessions::table
        .filter(sessions::organization_id.eq(steps::organization_id))
        .filter(sessions::id.eq(steps::session_id))
        .filter(sessions::epoch.eq(epoch));
    let row = steps::table.find((step.organization_id, step.session_id, step.started_sequence));
    // Whoever claims the turn changes this very row: of the two, one waits for the other and then sees what it did.
    let ours = row.filter(steps::status.eq(StepStatus::Running)).filter(exists(session));
    let stored = diesel::update(ours).set((steps::text.eq(&step.text), steps::model.eq(&step.model)));
    Ok(stored.execute(conn).await? == 1)
}

/// The steps with these ids, in any order.
pub async fn steps(conn: &mut Conn, organization_id: Id, ids: Vec<Id>) -> Result<Vec<Step>> {
    let found = steps::table.filter(steps::organization_id.eq(organization_id)).filter(steps::id.eq_any(ids));
    Ok(found.select(Step::as_select()).load(conn).await?)
}

/// The steps of these turns, each turn's in their order.
pub async fn steps_of(conn: &mut Conn, organization_id: Id, turn_ids: Vec<Id>) -> Result<Vec<Step>> {
    let found = steps::table
        .filter(steps::organization_id.eq(organization_id))
        .filter(steps::turn_id.eq_any(turn_ids))
        .order(steps::started_sequence);
    Ok(found.select(Step::as_select()).load(conn).await?)
}

/// What the steps of these sessions cost, summed for each. (PostgreSQL sums bigints to numeric, hence the casts.)
pub async fn usage_of_sessions(conn: &mut Conn, organization_id: Id, session_ids: Vec<Id>) -> Result<Vec<(Id, Usage)>> {
    let rows = steps::table
        .filter(steps::organization_id.eq(organization_id))
        .filter(steps::session_id.eq_any(session_ids))
        .group_by(steps::session_id)
        .select((steps::session_id, sums()));
    Ok(rows.load::<(Id, Sums)>(conn).await?.into_iter().map(|(id, sums)| (id, usage(sums))).collect())
}

/// What the steps of these turns cost, summed for each.
pub async fn usage_of_turns(conn: &mut Conn, organization_id: Id, turn_ids: Vec<Id>) -> Result<Vec<(Id, Usage)>> {
    let rows = steps::table
        .filter(steps::organization_id.eq(organization_id))
        .filter(steps::turn_id.eq_any(turn_ids))
        .group_by(steps::turn_id)
        .select((steps::turn_id, sums()));
    Ok(rows.load::<(Id, Sums)>(conn).await?.into_iter().map(|(id, sums)| (id, usage(sums))).collect())
}

/// Input, output, cached input and reasoning tokens, and how many steps.
type Sums = (i64, i64, i64, i64, i64);

/// A sum that PostgreSQL shall give as a bigint too.
type Sum = SqlLiteral<BigInt>;

fn sums() -> (Sum, Sum, Sum, Sum, Sum) {
    (
        sql("CAST(SUM(input_tokens) AS BIGINT)"),
        sql("CAST(SUM(output_tokens) AS BIGINT)"),
        sql("CAST(SUM(cached_input_tokens) AS BIGINT)"),
        sql("CAST(SUM(reasoning_tokens) AS BIGINT)"),
        sql("COUNT(*)"),
    )
}

fn usage((input, output, cached, reasoning, steps): Sums) -> Usage {
    Usage {
        input_tokens: BigInteger(input),
        output_tokens: BigInteger(output),
        cached_input_tokens: BigInteger(cached),
        reasoning_tokens: BigInteger(reasoning),
        steps: BigInteger(steps),
    }
}
