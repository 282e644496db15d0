//! The tables, once for both databases; `tests/tables.rs` holds them against what the migrations make.

/// Declares tables whose columns use our own SQL types.
macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident -> $type:ty,)+ })+) => {
        $(
            diesel::table! {
                use diesel::sql_types::*;
                use $crate::db::types::{IdSql, JsonSql, TagsSql, TimestampSql};

                $name ($($key),+) { $($column -> $type,)+ }
            }
        )+
        diesel::allow_tables_to_appear_in_same_query!($($name),+);
    };
}

tables! {
    organizations (id) {
        id -> IdSql,
        name -> Text,
        created_at -> TimestampSql,
    }
    agents (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        name -> Text,
        description -> Nullable<Text>,
        system_prompt -> Text,
        tags -> TagsSql,
        status -> Text,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
    }
    sessions (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        agent_id -> IdSql,
        title -> Nullable<Text>,
        tags -> TagsSql,
        status -> Text,
        epoch -> BigInt,
        next_event_sequence -> BigInt,
        next_message_sequence -> BigInt,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
        started_at -> Nullable<TimestampSql>,
        finished_at -> Nullable<TimestampSql>,
    }
    messages (organization_id, session_id, sequence) {
        organization_id -> IdSql,
        session_id -> IdSql,
        sequence -> BigInt,
        id -> IdSql,
        role -> Text,
        text -> Text,
        parts -> Nullable<JsonSql>,
        turn_id -> IdSql,
        step_id -> Nullable<IdSql>,
        withdrawn_at -> Nullable<TimestampSql>,
        created_at -> TimestampSql,
    }
    turns (organization_id, session_id, message_sequence) {
        organization_id -> IdSql,
        session_id -> IdSql,
        message_sequence -> BigInt,
        id -> IdSql,
        message_id -> IdSql,
        status -> Text,
        stop_reason -> Nullable<Text>,
        error_code -> Nullable<Text>,
        error_message -> Nullable<Text>,
        epoch -> BigInt,
        owner -> Nullable<Text>,
        lease_until -> Nullable<TimestampSql>,
        attempts -> BigInt,
        cancel_requested_at -> Nullable<TimestampSql>,
        created_at -> TimestampSql,
        started_at -> Nullable<TimestampSql>,
        finished_at -> Nullable<TimestampSql>,
    }
    steps (organization_id, session_id, started_sequence) {
        organization_id -> IdSql,
        session_id -> IdSql,
        started_sequence -> BigInt,
        id -> IdSql,
        turn_id -> IdSql,
        step_index -> BigInt,
        attempt -> BigInt,
        status -> Text,
        model -> Text,
        text -> Text,
        reasoning -> Nullable<Text>,
        input_tokens -> BigInt,
        output_tokens -> BigInt,
        cached_input_tokens -> BigInt,
        reasoning_tokens -> BigInt,
        started_at -> TimestampSql,
        finished_at -> Nullable<TimestampSql>,
    }
    tool_calls (organization_id, session_id, id) {
        organization_id -> IdSql,
        session_id -> IdSql,
        id -> IdSql,
        turn_id -> IdSql,
        step_id -> IdSql,
        position -> BigInt,
        call_key -> Text,
        name -> Text,
        arguments -> JsonSql,
        status -> Text,
        result -> Nullable<JsonSql>,
        error -> Nullable<Text>,
        started_at -> TimestampSql,
        finished_at -> Nullable<TimestampSql>,
    }
    events (organization_id, session_id, sequence) {
        organization_id -> IdSql,
        session_id -> IdSql,
        sequence -> BigInt,
        kind -> Text,
        turn_id -> IdSql,
        step_id -> Nullable<IdSql>,
        message_id -> Nullable<IdSql>,
        message_sequence -> Nullable<BigInt>,
        tool_call_id -> Nullable<IdSql>,
        stop_reason -> Nullable<Text>,
        error_code -> Nullable<Text>,
        error_message -> Nullable<Text>,
        created_at -> TimestampSql,
    }
}
