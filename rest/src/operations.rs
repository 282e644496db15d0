//! What REST asks: the documents under `operations/`, each parsed once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use async_graphql::{
    Name,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, Field, FragmentDefinition},
        types::{OperationDefinition, Selection, SelectionSet},
    },
};

/// One operation, with the fragments it uses and no others: a request owns its document, so each asks with a small clone.
pub(crate) struct Document {
    pub(crate) name: &'static str,
    /// How REST spells the server's `id`: the name of the path's last parameter.
    pub(crate) id_name: &'static str,
    /// Whether the header `Idempotency-Key` is for it: it has the variable.
    pub(crate) takes_key: bool,
    pub(crate) executable: ExecutableDocument,
    pub(crate) definition: OperationDefinition,
}

/// The variable that takes the header `Idempotency-Key`.
pub(crate) const KEY_VARIABLE: &str = "idempotencyKey";

macro_rules! operations {
    ($($file:literal, $id_name:literal: $($name:ident)+;)+) => {
        /// Every operation, in the tutorial's order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($($name,)+)+ }

        impl Operation {
            pub(crate) const ALL: &[Self] = &[$($(Self::$name,)+)+];
        }

        static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
            let mut documents = Vec::new();
            $(
                let file = parsed($file, include_str!(concat!("../operations/", $file, ".graphql")));
                $(documents.push(Document::new(&file, stringify!($name), $id_name));)+
            )+
            documents
        });
    };
}

operations! {
    "health", "id": Health Ready;
    "auth", "key_id": GetAuthConfig Login Refresh Register StartOauth FinishOauth Logout WhoAsks GetMe ListApiKeys CreateApiKey DeleteApiKey;
    "agents", "agent_id": ListAgents CreateAgent GetAgent UpdateAgent ArchiveAgent;
    "sessions", "session_id": ListSessions CreateSession GetSession UpdateSession DeleteSession CancelSession;
    "messages", "session_id": ListMessages NewestMessages SendMessage;
    "events", "session_id": ListEvents WatchEvents;
    "files", "session_id": ListFiles GetFile WriteFile DeleteFile;
    "capabilities", "agent_id": ListCapabilities GetAgentCapabilities SetAgentCapabilities;
    "llm_providers", "provider_id": ListLlmProviders CreateLlmProvider GetLlmProvider UpdateLlmProvider DeleteLlmProvider;
    "llm_models", "provider_id": ListProviderModels CreateLlmModel;
    "llm_models", "id": ListLlmModels GetLlmModel UpdateLlmModel DeleteLlmModel;
}

impl Operation {
    /// The first call parses every document, and panics where one is broken: `router` makes it, before any request.
    pub(crate) fn document(self) -> &'static Document {
        &DOCUMENTS[self as usize]
    }
}

impl Document {
    #[expect(
        clippy::panic,
        reason = "the text is part of the binary and tests read it, so this fails at start or never"
    )]
    fn new(file: &ExecutableDocument, name: &'static str, id_name: &'static str) -> Self {
        let (key, definition) = file
            .operations
            .iter()
            .find_map(|(key, definition)| key.filter(|key| *key == name).zip(Some(definition)))
            .unwrap_or_else(|| panic!("no document of operations/ has the operation {name}"));
        let mut used = BTreeSet::new();
        fragments_of(&definition.node.selection_set.node, file, &mut used);
        let fragments = file.fragments.iter().filter(|(name, _)| used.contains(*name));
        Self {
            name,
            id_name,
            takes_key: definition
                .node
                .variable_definitions
                .iter()
                .any(|variable| variable.node.name.node == KEY_VARIABLE),
            executable: ExecutableDocument {
                operations: DocumentOperations::Multiple(HashMap::from([(key.clone(), definition.clone())])),
                fragments: fragments.map(|(name, fragment)| (name.clone(), fragment.clone())).collect(),
            },
            definition: definition.node.clone(),
        }
    }

    /// The first field of the operation: what is asked, changed or watched.
    pub(crate) fn root(&self) -> Option<&Field> {
        self.definition.selection_set.node.items.iter().find_map(|item| match &item.node {
            Selection::Field(field) => Some(&field.node),
            _ => None,
        })
    }

    /// The fragment of this name. Documents are valid (tests hold them against the schema), so it is there.
    pub(crate) fn fragment(&self, name: &str) -> &FragmentDefinition {
        &self.executable.fragments[name].node
    }
}

#[expect(clippy::panic, reason = "the text is part of the binary and tests read it, so this fails at start or never")]
fn parsed(file: &str, text: &str) -> ExecutableDocument {
    parse_query(text).unwrap_or_else(|error| panic!("operations/{file}.graphql is not GraphQL: {error}"))
}

fn fragments_of(selection: &SelectionSet, file: &ExecutableDocument, used: &mut BTreeSet<Name>) {
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => fragments_of(&field.node.selection_set.node, file, used),
            Selection::InlineFragment(inline) => fragments_of(&inline.node.selection_set.node, file, used),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if used.insert(name.clone()) {
                    fragments_of(&file.fragments[name].node.selection_set.node, file, used);
                }
            }
        }
    }
}

/// The only field of a selection, where it has fields of its own: a body is printed from below it.
pub(crate) fn only_step(selection: &SelectionSet) -> Option<&Field> {
    match &selection.items[..] {
        [only] => match &only.node {
            Selection::Field(field) if !field.node.selection_set.node.items.is_empty() => Some(&field.node),
            _ => None,
        },
        _ => None,
    }
}

/// `__typename` prints as REST's word for the type, an event's being its name on the stream. A type without a word
/// is no event of REST.
const WORDS: [(&str, &str); 10] = [
    ("TextPart", "text"),
    ("ImagePart", "image"),
    ("SessionStarted", "session.started"),
    ("StepStarted", "step.started"),
    ("MessageDelta", "message.delta"),
    ("MessageCreated", "message.created"),
    ("ToolStarted", "tool.started"),
    ("ToolCompleted", "tool.completed"),
    ("SessionCompleted", "session.completed"),
    ("SessionFailed", "session.failed"),
];

/// The enums that the tutorial prints in PascalCase; all others are printed in lower case.
const PASCAL_CASE: [&str; 2] = ["runner_mode", "auth_mode"];

/// What is printed even where it is null: an API key that has no end, or was never used, says so.
const PRINTED_AS_NULL: [&str; 2] = ["expires_at", "last_used_at"];

pub(crate) fn prints_null(key: &str) -> bool {
    PRINTED_AS_NULL.contains(&key)
}

pub(crate) fn word_of_type(typename: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == typename).map(|(_, word)| *word)
}

pub(crate) fn word_of_enum(key: &str, value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    if !PASCAL_CASE.contains(&key) {
        return lower;
    }
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    lower.split('_').map(capital).collect()
}
