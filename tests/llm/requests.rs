//! What every protocol sends: a conversation with tools, as each provider wants it.

use everruns::config::ModelSettings;
use everruns::llm::*;
use serde_json::{Value, json};

use super::faces::{FACES, Face};
use super::server::Server;
use super::{KEY, ask, models, user};

/// What becomes of a tool's name that the model made up.
const MADE_UP: &str = "no_such_n_me";

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false})
}

fn conversation() -> ChatRequest {
    let image = ChatPart::Image { media_type: "image/png".into(), data: "aGk=".into() };
    let call = |id: &str, name: &str, arguments: Value, signature: Option<&str>| ModelToolCall {
        id: id.into(),
        name: name.into(),
        arguments,
        signature: signature.map(Into::into),
    };
    let result = |call_id: &str, name: &str, content: &str, is_error| ToolResult {
        call_id: call_id.into(),
        name: name.into(),
        content: content.into(),
        is_error,
    };
    let messages = vec![
        ChatMessage::User(vec![ChatPart::Text("What is this?".into()), image]),
        ChatMessage::Assistant {
            text: String::new(),
            calls: vec![
                call("a", "look", json!({"n": 1}), Some("c2ln")),
                call("b.2", "no such näme", json!("{\"n\":"), None),
            ],
        },
        ChatMessage::ToolResults(vec![
            result("a", "look", "{\"seen\":true}", false),
            result("b.2", "no such näme", "There is no such tool.", true),
        ]),
        ChatMessage::Assistant { text: "A cake.".into(), calls: Vec::new() },
        ChatMessage::User(vec![ChatPart::Text("Sure?".into())]),
    ];
    let tool = ToolDefinition { name: "look".into(), description: "Looks closely.".into(), parameters: schema() };
    ChatRequest { system: "Be brief.".into(), messages, tools: vec![tool] }
}

/// The request that a conversation becomes.
async fn sent(face: &Face, request: ChatRequest) -> (String, Value) {
    let mut server = Server::start([face.reply(&(face.text)())]);
    let target = face.target(&server);
    ask(models(ModelSettings::default()).client(&target), &target, request).await.end.unwrap();
    let request = server.request().await;
    (request.head, request.body)
}

#[tokio::test]
async fn every_protocol_tells_the_whole_conversation() {
    let bodies = [chat_body(), responses_body(), anthropic_body(), gemini_body(), ollama_body()];
    for (face, expected) in FACES.into_iter().zip(bodies) {
        let (_, body) = sent(&face, conversation()).await;
        assert_eq!(body, expected, "{}", face.name);
    }
}

fn chat_body() -> Value {
    let function = json!({"name": "look", "description": "Looks closely.", "parameters": schema()});
    json!({
        "model": "small-model",
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{\"n\":1}"}},
                {"id": "b.2", "type": "function", "function": {
                    "name": MADE_UP, "arguments": "{\"unreadable\":\"{\\\"n\\\":\"}",
                }},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "{\"seen\":true}"},
            {"role": "tool", "tool_call_id": "b.2", "content": "There is no such tool."},
            {"role": "assistant", "content": "A cake."},
            {"role": "user", "content": "Sure?"},
        ],
        "tools": [{"type": "function", "function": function}],
    })
}

fn responses_body() -> Value {
    json!({
        "model": "small-model",
        "stream": true,
        "store": false,
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
            ]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{\"n\":1}"},
            {"type": "function_call", "call_id": "b.2", "name": MADE_UP,
                "arguments": "{\"unreadable\":\"{\\\"n\\\":\"}"},
            {"type": "function_call_output", "call_id": "a", "output": "{\"seen\":true}"},
            {"type": "function_call_output", "call_id": "b.2", "output": "There is no such tool."},
            {"type": "message", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "A cake.", "annotations": []},
            ]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sure?"}]},
        ],
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "look", "description": "Looks closely.", "parameters": schema(),
            "strict": false}],
    })
}

fn anthropic_body() -> Value {
    json!({
        "model": "small-model",
        "stream": true,
        "max_tokens": 8192,
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "look", "input": {"n": 1}},
                {"type": "tool_use", "id": "b_2", "name": MADE_UP, "input": {"unreadable": "{\"n\":"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "{\"seen\":true}"},
                {"type": "tool_result", "tool_use_id": "b_2", "content": "There is no such tool.",
                    "is_error": true},
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "A cake."}]},
            {"role": "user", "content": [{"type": "text", "text": "Sure?"}]},
        ],
        "system": "Be brief.",
        "tools": [{"name": "look", "description": "Looks closely.", "input_schema": schema()}],
    })
}

fn gemini_body() -> Value {
    json!({
        "contents": [
            {"role": "user", "parts": [
                {"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
            ]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "a", "name": "look", "args": {"n": 1}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "b.2", "name": MADE_UP, "args": {"unreadable": "{\"n\":"}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "a", "name": "look", "response": {"seen": true}}},
                {"functionResponse": {"id": "b.2", "name": MADE_UP,
                    "response": {"error": "There is no such tool."}}},
            ]},
            {"role": "model", "parts": [{"text": "A cake."}]},
            {"role": "user", "parts": [{"text": "Sure?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [
            {"name": "look", "description": "Looks closely.", "parametersJsonSchema": schema()},
        ]}],
    })
}

fn ollama_body() -> Value {
    let function = json!({"name": "look", "description": "Looks closely.", "parameters": schema()});
    json!({
        "model": "small-model",
        "stream": true,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": ["aGk="]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "a", "function": {"name": "look", "arguments": {"n": 1}}},
                {"id": "b.2", "function": {"name": MADE_UP, "arguments": {"unreadable": "{\"n\":"}}},
            ]},
            {"role": "tool", "tool_name": "look", "tool_call_id": "a", "content": "{\"seen\":true}"},
            {"role": "tool", "tool_name": MADE_UP, "tool_call_id": "b.2",
                "content": "There is no such tool."},
            {"role": "assistant", "content": "A cake."},
            {"role": "user", "content": "Sure?"},
        ],
        "tools": [{"type": "function", "function": function}],
    })
}

#[tokio::test]
async fn anthropic_is_told_of_past_calls_where_no_tools_are_left() {
    let face = FACES.into_iter().find(|face| face.name == "anthropic").unwrap();
    let (_, body) = sent(&face, ChatRequest { tools: Vec::new(), ..conversation() }).await;
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(body["tools"], json!([tool("look"), tool(MADE_UP)]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[tokio::test]
async fn ollama_is_told_how_much_its_model_takes() {
    let face = FACES.into_iter().find(|face| face.name == "ollama").unwrap();
    let mut server = Server::start([face.reply(&(face.text)())]);
    let target = ModelTarget { context_window: Some(32_768), ..face.target(&server) };
    ask(models(ModelSettings::default()).client(&target), &target, user("hello")).await.end.unwrap();
    assert_eq!(server.request().await.body["options"], json!({"num_ctx": 32_768}));
}

#[tokio::test]
async fn the_key_goes_where_the_provider_looks_for_it() {
    let heads = [
        ("post /v1/chat/completions ", format!("authorization: bearer {KEY}")),
        ("post /v1/responses ", format!("authorization: bearer {KEY}")),
        ("post /v1/messages ", format!("x-api-key: {KEY}\r\n")),
        ("post /v1beta/models/small-model:streamgeneratecontent?alt=sse ", format!("x-goog-api-key: {KEY}\r\n")),
        ("post /api/chat ", format!("authorization: bearer {KEY}")),
    ];
    for (face, (line, header)) in FACES.into_iter().zip(heads) {
        let (head, body) = sent(&face, user("hello")).await;
        assert!(head.starts_with(line) && head.contains(&header), "{head}");
        assert_eq!(head.matches(KEY).count(), 1, "{head}");
        assert_eq!(head.contains("anthropic-version: 2023-06-01\r\n"), face.name == "anthropic", "{head}");
        assert!(body.get("tools").is_none() && body.get("system").is_none(), "{body}");
    }
}

#[tokio::test]
async fn what_a_provider_attached_to_a_call_goes_back_to_it_alone() {
    let signed = |signature: &str| {
        let calls = vec![ModelToolCall {
            id: "a".into(),
            name: "look".into(),
            arguments: json!({}),
            signature: Some(signature.into()),
        }];
        let answer = ToolResult { call_id: "a".into(), name: "look".into(), content: "1".into(), is_error: false };
        let mut request = user("hello");
        request.messages.push(ChatMessage::Assistant { text: String::new(), calls });
        request.messages.push(ChatMessage::ToolResults(vec![answer]));
        request
    };
    let object = r#"{"google":{"thought_signature":"b2JqZWN0"}}"#;
    for face in FACES {
        for signature in ["dGV4dA==", object] {
            let (_, body) = sent(&face, signed(signature)).await;
            let goes_back = match face.name {
                "chat completions" => signature == object,
                "gemini" => signature != object,
                _ => false,
            };
            let body = body.to_string();
            assert_eq!(body.contains("dGV4dA==") || body.contains("b2JqZWN0"), goes_back, "{} {body}", face.name);
        }
    }
}

#[tokio::test]
async fn nothing_empty_is_sent_where_it_would_be_refused() {
    let mut request = user("hello");
    request.messages.push(ChatMessage::Assistant { text: String::new(), calls: Vec::new() });
    request.messages.push(ChatMessage::User(vec![ChatPart::Text(String::new()), ChatPart::Text("again".into())]));
    for (face, list) in FACES.into_iter().zip(["", "input", "messages", "contents", ""]) {
        if !list.is_empty() {
            let (_, body) = sent(&face, request.clone()).await;
            assert_eq!(body[list].as_array().unwrap().len(), 2, "{} {body}", face.name);
        }
    }
}
