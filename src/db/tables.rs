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
        default_model_id -> Nullable<IdSql>,
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
        model_id -> Nullable<IdSql>,
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
        model_id -> Nullable<IdSql>,
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
        fruitless_claims -> BigInt,
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
        signature -> Nullable<Text>,
        provider_call_id -> Nullable<Text>,
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
    users (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        email -> Text,
        name -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
    }
    user_identities (organization_id, provider, subject) {
        organization_id -> IdSql,
        provider -> Text,
        subject -> Text,
        user_id -> IdSql,
        created_at -> TimestampSql,
    }
    logins (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        user_id -> IdSql,
        created_at -> TimestampSql,
        expires_at -> TimestampSql,
        revoked_at -> Nullable<TimestampSql>,
    }
    refresh_tokens (organization_id, login_id, token_hash) {
        organization_id -> IdSql,
        login_id -> IdSql,
        token_hash -> Binary,
        uses -> BigInt,
        used_at -> Nullable<TimestampSql>,
        created_at -> TimestampSql,
        expires_at -> TimestampSql,
    }
    api_keys (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        user_id -> IdSql,
        name -> Text,
        key_hash -> Binary,
        key_prefix -> Text,
        scopes -> TagsSql,
        expires_at -> Nullable<TimestampSql>,
        last_used_at -> Nullable<TimestampSql>,
        created_at -> TimestampSql,
    }
    llm_providers (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        name -> Text,
        provider_type -> Text,
        base_url -> Nullable<Text>,
        api_key -> Nullable<Binary>,
        api_key_last4 -> Nullable<Text>,
        is_default -> Bool,
        status -> Text,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
    }
    llm_models (organization_id, id) {
        organization_id -> IdSql,
        id -> IdSql,
        provider_id -> IdSql,
        model_id -> Text,
        display_name -> Text,
        context_window -> Nullable<BigInt>,
        input_price_per_million -> Nullable<Double>,
        output_price_per_million -> Nullable<Double>,
        is_default -> Bool,
        status -> Text,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
    }
    agent_capabilities (organization_id, agent_id, capability_id) {
        organization_id -> IdSql,
        agent_id -> IdSql,
        capability_id -> Text,
        position -> BigInt,
    }
    session_files (organization_id, session_id, path) {
        organization_id -> IdSql,
        session_id -> IdSql,
        path -> Text,
        content -> Binary,
        encoding -> Text,
        created_at -> TimestampSql,
        updated_at -> TimestampSql,
    }
    idempotency_keys (organization_id, key_hash) {
        organization_id -> IdSql,
        key_hash -> Binary,
        mutation -> Text,
        input_hash -> Binary,
        row_id -> IdSql,
        created_at -> TimestampSql,
    }
}
