//! How turns, steps and tool calls are asked for.

use std::collections::HashMap;
use std::hash::Hash;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context, Result};

use super::{Step, ToolCall, Turn, TurnError, TurnStatus, Usage};
use crate::auth::{Scope, viewer};
use crate::db::ids::Id;
use crate::db::types::BigInteger;
use crate::db::{Lookups, lookups, read, scan, store};
use crate::error::Error;
use crate::messages::Message;
use crate::messages::graphql::MessageById;
use crate::page::{Page, connection, wants_total};
use crate::sessions::Session;
use crate::sessions::graphql::SessionById;

connection!(TurnConnection, TurnEdge, Turn);

/// A page of the session's turns, of this status where one is named.
pub async fn turn_page(
    ctx: &Context<'_>,
    session_id: Id,
    status: Option<TurnStatus>,
    page: Page<i64>,
) -> Result<TurnConnection, Error> {
    let organization_id = viewer(ctx, Scope::SessionsRead)?.organization_id;
    let total =
        if wants_total(ctx) { scan!(store(ctx), turns::count(organization_id, session_id, status))? } else { 0 };
    let turns = read!(store(ctx), turns::list(organization_id, session_id, status, &page))?;
    Ok(TurnConnection::new(&page, turns, total, |turn| turn.message_sequence.to_string()))
}

#[ComplexObject]
impl Turn {
    /// In which session.
    async fn session(&self, ctx: &Context<'_>) -> Result<Session> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(SessionById(self.session_id)).await?.ok_or_else(|| Error::not_found("session"))?)
    }

    /// What the user said.
    async fn message(&self, ctx: &Context<'_>) -> Result<Message> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(MessageById(self.message_id)).await?.ok_or_else(|| Error::not_found("message"))?)
    }

    /// Its model calls, in their order.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<Step>> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(StepsOfTurn(self.id)).await?.unwrap_or_default())
    }

    /// Why it failed; null where it did not.
    async fn error(&self) -> Option<TurnError> {
        self.error_code.map(|code| TurnError { code, message: self.error_message.clone().unwrap_or_default() })
    }

    /// What the models counted in its steps.
    async fn usage(&self, ctx: &Context<'_>) -> Result<Usage> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(UsageOfTurn(self.id)).await?.unwrap_or_default())
    }
}

#[ComplexObject]
impl Step {
    /// The tools that it called, in the order in which the model asked for them.
    async fn tool_calls(&self, ctx: &Context<'_>) -> Result<Vec<ToolCall>> {
        viewer(ctx, Scope::SessionsRead)?;
        Ok(lookups(ctx).load_one(ToolCallsOfStep(self.id)).await?.unwrap_or_default())
    }

    /// What the model counted.
    async fn usage(&self) -> Usage {
        Usage {
            input_tokens: BigInteger(self.input_tokens),
            output_tokens: BigInteger(self.output_tokens),
            cached_input_tokens: BigInteger(self.cached_input_tokens),
            reasoning_tokens: BigInteger(self.reasoning_tokens),
            steps: BigInteger(1),
        }
    }
}

/// Declares look-ups by one id each: `Name: value = store function, how its rows are collected (and by which id of a row)`.
macro_rules! look_up {
    ($($(#[$doc:meta])* $name:ident: $value:ty = $function:ident, $collect:ident $(($id:expr))?;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub Id);

        impl Loader<$name> for Lookups {
            type Value = $value;
            type Error = Error;

            async fn load(&self, keys: &[$name]) -> Result<HashMap<$name, $value>, Error> {
                let ids = || keys.iter().map(|key| key.0).collect();
                let found = self.look(|| async { read!(&self.store, turns::$function(self.organization_id, ids())) }).await?;
                Ok($collect(found, $($id,)? $name))
            }
        }
    )+};
}

look_up! {
    /// Looks a turn up by its id.
    TurnById: Turn = get_many, one(|turn: &Turn| turn.id);
    /// Looks a step up by its id.
    StepById: Step = steps, one(|step: &Step| step.id);
    /// Looks the steps of a turn up.
    StepsOfTurn: Vec<Step> = steps_of, many(|step: &Step| step.turn_id);
    /// Looks a tool call up by its id.
    ToolCallById: ToolCall = tool_calls, one(|call: &ToolCall| call.id);
    /// Looks the tool calls of a step up.
    ToolCallsOfStep: Vec<ToolCall> = tool_calls_of, many(|call: &ToolCall| call.step_id);
    /// Sums what a turn cost.
    UsageOfTurn: Usage = usage_of_turns, pairs;
    /// Sums what a session cost.
    UsageOfSession: Usage = usage_of_sessions, pairs;
}

fn one<R, K: Eq + Hash>(rows: Vec<R>, id: impl Fn(&R) -> Id, key: impl Fn(Id) -> K) -> HashMap<K, R> {
    rows.into_iter().map(|row| (key(id(&row)), row)).collect()
}

fn many<R, K: Eq + Hash>(rows: Vec<R>, id: impl Fn(&R) -> Id, key: impl Fn(Id) -> K) -> HashMap<K, Vec<R>> {
    let mut groups = HashMap::<K, Vec<R>>::new();
    for row in rows {
        groups.entry(key(id(&row))).or_default().push(row);
    }
    groups
}

fn pairs<R, K: Eq + Hash>(rows: Vec<(Id, R)>, key: impl Fn(Id) -> K) -> HashMap<K, R> {
    rows.into_iter().map(|(id, row)| (key(id), row)).collect()
}
