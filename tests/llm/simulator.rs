//! The built-in simulator: what it says, and how it is steered.

use std::time::Duration;

use everruns::config::ModelSettings;
use everruns::llm::*;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Said, ask, models, user};

async fn ask_model(model: &str, request: ChatRequest) -> Said {
    let models = models(ModelSettings::default());
    let target = ModelTarget { model: model.into(), ..models.of_operator().await.unwrap() };
    ask(models.client(&target), &target, request).await
}

async fn say(text: &str) -> Said {
    ask_model("llmsim", user(text)).await
}

#[tokio::test]
async fn it_says_that_it_is_a_simulator_and_how_to_get_a_model() {
    let said = say("How do I\nreset my password?").await;
    for part in
        ["built-in simulator", "no real model", "“How do I reset my password?”", "OPENAI_API_KEY", "OPENAI_BASE_URL"]
    {
        assert!(said.text().contains(part), "{}", said.text());
    }
    assert!(said.pieces.len() > 10);
    assert_eq!(said.pieces, say("How do I\nreset my password?").await.pieces);
}

#[tokio::test]
async fn a_long_text_is_quoted_briefly() {
    let text = say(&"é".repeat(10_000)).await.text();
    assert!(text.contains(&format!("“{}…”", "é".repeat(120))), "{text}");
}

#[tokio::test]
async fn usage_counts_words() {
    let image = ChatPart::Image { media_type: "image/png".into(), data: "aGk=".into() };
    let messages = vec![
        ChatMessage::User(vec![ChatPart::Text("one two".into()), image]),
        ChatMessage::Assistant { text: "three".into(), calls: Vec::new() },
        ChatMessage::User(vec![ChatPart::Text("/sim reasoning=4 words=9".into())]),
    ];
    let end =
        ask_model("llmsim", ChatRequest { system: "be kind".into(), messages, tools: Vec::new() }).await.end.unwrap();
    let usage = TokenUsage { input_tokens: 9, output_tokens: 13, cached_input_tokens: 0, reasoning_tokens: 4 };
    assert_eq!(end, ModelEnd { stop: ModelStop::EndTurn, usage });
}

#[tokio::test]
async fn words_are_counted_out_and_hold_letters_of_all_lengths() {
    let said = say("/sim words=200").await;
    let text = said.text();
    assert_eq!((said.pieces.len(), text.split_whitespace().count()), (200, 200));
    assert!(text.starts_with("[llmsim, the built-in simulator"));
    let lengths: std::collections::BTreeSet<usize> = text.chars().map(char::len_utf8).collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(say("/sim words=0").await.pieces.is_empty());
}

#[tokio::test]
async fn echo_says_what_it_hears() {
    let heard = "  é 🥞\n\n  words=3\ttail ";
    assert_eq!(say(&format!("/sim echo {heard}")).await.text(), heard);
    assert_eq!(ask_model("llmsim?echo", user(heard)).await.text(), heard);
}

#[tokio::test]
async fn the_prompt_wins_over_the_name() {
    assert_eq!(ask_model("llmsim?words=5&reasoning=2", user("hello")).await.pieces.len(), 5);
    let said = ask_model("llmsim?words=5&reasoning=2", user("/sim words=7")).await;
    assert_eq!((said.pieces.len(), said.reasoning.split_whitespace().count()), (7, 2));
    assert!(say("/similar words=7").await.text().contains("“/similar words=7”"));
}

#[tokio::test]
async fn a_message_without_an_answer_does_not_steer_the_next() {
    let texts = ["/sim fail=cut", "hello"].map(|text| ChatPart::Text(text.into()));
    let request =
        ChatRequest { system: String::new(), messages: vec![ChatMessage::User(texts.into())], tools: Vec::new() };
    assert!(ask_model("llmsim", request).await.text().contains("“hello”"));
}

#[tokio::test]
async fn it_fails_as_it_is_told() {
    let cases = [
        ("unavailable", ModelErrorCode::Unavailable),
        ("refused", ModelErrorCode::Refused),
        ("cut", ModelErrorCode::Cut),
        ("context", ModelErrorCode::ContextTooLong),
    ];
    for (word, code) in cases {
        let said = say(&format!("/sim fail={word} words=9 after=3")).await;
        assert_eq!((said.pieces.len(), said.end.unwrap_err().code), (3, code));
        assert!(say(&format!("/sim fail={word}")).await.pieces.is_empty());
    }
}

#[tokio::test]
async fn what_it_does_not_understand_is_told() {
    let text = say("/sim colour=red words=many fail=often after=3 hello").await.text();
    for part in
        ["\"colour=red\" is no setting", "\"words=many\" has no whole", "\"fail=often\" is no failure", "“hello”"]
    {
        assert!(text.contains(part), "{text}");
    }
    let text = say("/sim words=99999999").await.text();
    assert!(text.starts_with("\"words=99999999\" is too much; 20000 is taken instead.\n"));
    assert!(text.split_whitespace().count() > 20_000);
}

#[tokio::test(start_paused = true)]
async fn it_takes_its_time_when_told() {
    let begin = Instant::now();
    say("hello").await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    ask_model("llmsim?delay_ms=20&first_ms=500", user("/sim words=6 reasoning=2")).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(500 + 7 * 20));
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_silence_and_then_a_cut() {
    let begin = Instant::now();
    let said = say("/sim fail=stall after=2").await;
    assert_eq!((said.pieces.len(), said.end.unwrap_err().code), (2, ModelErrorCode::Cut));
    assert_eq!(begin.elapsed(), ModelTimeouts::DEFAULT.between_bytes);
}

#[tokio::test]
async fn a_long_answer_leaves_the_thread_to_others() {
    let models = models(ModelSettings::default());
    let target = models.of_operator().await.unwrap();
    let mut stream = models.client(&target).stream(&target, user("/sim words=20000"));
    let all = async { while stream.next().await.is_some() {} };
    tokio::select! {
        biased;
        () = all => panic!("the whole answer came in one go"),
        () = tokio::task::yield_now() => {}
    }
}

fn called(said: &Said) -> Vec<(&str, String)> {
    said.calls.iter().map(|call| (call.name.as_str(), call.arguments.to_string())).collect()
}

/// The same conversation after its last answer, whose calls got this result.
fn answered(mut request: ChatRequest, said: Said) -> ChatRequest {
    let results = said.calls.iter().map(|call| ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: r#"{"ok":true}"#.into(),
        is_error: call.name == "bad",
    });
    let results = results.collect();
    request.messages.push(ChatMessage::Assistant { text: said.text(), calls: said.calls });
    request.messages.push(ChatMessage::ToolResults(results));
    request
}

#[tokio::test]
async fn it_calls_tools_step_by_step_as_it_is_told() {
    let mut request = user(r#"/sim words=2 call=a {"x": [1, "| é"]} call=bad [1] | call=c {"x": again=1 | delay_ms=0"#);
    let said = ask_model("llmsim", request.clone()).await;
    assert_eq!(called(&said), [("a", r#"{"x":[1,"| é"]}"#.to_owned()), ("bad", "[1]".to_owned())]);
    assert_eq!((said.pieces.len(), said.end.as_ref().unwrap().stop), (2, ModelStop::ToolCalls));
    assert_ne!(said.calls[0].id, said.calls[1].id);
    request = answered(request, said);
    for _ in 0..2 {
        let said = ask_model("llmsim", request.clone()).await;
        // What is no JSON is a text.
        assert_eq!(called(&said), [("c", r#""{\"x\":""#.to_owned())]);
        assert!(said.pieces.is_empty());
        request = answered(request, said);
    }
    let said = ask_model("llmsim", request).await;
    assert!(said.calls.is_empty());
    assert!(said.text().ends_with("The tools answered.\nc answered: {\"ok\":true}"), "{}", said.text());
    assert_eq!(said.end.unwrap().stop, ModelStop::EndTurn);
}

#[tokio::test]
async fn it_calls_no_tool_by_itself() {
    let tools = vec![ToolDefinition { name: "a".into(), description: "A".into(), parameters: serde_json::json!({}) }];
    let said = ask_model("llmsim", ChatRequest { tools, ..user("call=a please") }).await;
    assert!(said.calls.is_empty() && said.text().contains("built-in simulator"));
}
