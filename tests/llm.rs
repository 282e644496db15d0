//! Model calls: the network client against a scripted server in every protocol, the choice of a model, and the simulator.

mod addresses;
mod circuit;
mod faces;
mod malformed;
mod network;
mod network_failures;
mod patience;
mod protocols;
mod protocol_failures;
mod requests;
mod resolve;
mod retries;
mod secrets;
pub mod server;
mod simulator;
mod tool_calls;

use std::sync::Arc;

use everruns::config::{ModelSettings, SecretSettings};
use everruns::llm::{
    ChatMessage, ChatPart, ChatRequest, ModelClient, ModelEnd, ModelError, ModelPiece, ModelTarget, ModelTimeouts,
    ModelToolCall, Models, ProviderType,
};
use everruns::outbound;
use everruns::secrets::Secrets;
use futures_util::StreamExt;

const KEY: &str = "sk-canary-4711";

/// All that one answer said.
#[derive(Debug)]
struct Said {
    pieces: Vec<String>,
    reasoning: String,
    calls: Vec<ModelToolCall>,
    end: Result<ModelEnd, ModelError>,
}

impl Said {
    fn text(&self) -> String {
        self.pieces.concat()
    }
}

fn models(settings: ModelSettings) -> Models {
    patient_models(settings, ModelTimeouts::DEFAULT)
}

fn patient_models(settings: ModelSettings, timeouts: ModelTimeouts) -> Models {
    let clients = outbound::model_clients(&outbound::Reach::default()).unwrap();
    Models::new(settings, clients, timeouts, Arc::new(secrets()))
}

fn secrets() -> Secrets {
    Secrets::new(&SecretSettings::default(), Some(vec![7; everruns::secrets::KEY_BYTES].into())).unwrap()
}

fn compatible(root: &str) -> ModelTarget {
    ModelTarget {
        provider_type: ProviderType::OpenaiCompatible,
        base_url: Some(root.to_owned()),
        api_key: Some(KEY.into()),
        model: "small-model".into(),
        context_window: None,
        provider_id: None,
    }
}

fn user(text: &str) -> ChatRequest {
    let messages = vec![ChatMessage::User(vec![ChatPart::Text(text.into())])];
    ChatRequest { system: String::new(), messages, tools: Vec::new() }
}

/// Asks and reads to the end, which must be the last thing that comes.
async fn ask(client: &dyn ModelClient, target: &ModelTarget, request: ChatRequest) -> Said {
    let mut stream = client.stream(target, request);
    let (mut pieces, mut reasoning, mut calls) = (Vec::new(), String::new(), Vec::new());
    let end = loop {
        match stream.next().await.expect("an answer ends with End or an error") {
            Ok(ModelPiece::Text(text)) => pieces.push(text),
            Ok(ModelPiece::Reasoning(text)) => reasoning.push_str(&text),
            Ok(ModelPiece::ToolCall(call)) => calls.push(call),
            Ok(ModelPiece::End(end)) => break Ok(end),
            Err(error) => break Err(error),
        }
    };
    assert!(stream.next().await.is_none());
    Said { pieces, reasoning, calls, end }
}

/// Asks the model at a scripted server.
async fn ask_at(root: &str) -> Said {
    let target = compatible(root);
    ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await
}
