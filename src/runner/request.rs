//! What a model is given: the system prompt and the history, turn by turn.

use crate::llm::{ChatMessage, ChatPart, ChatRequest};
use crate::messages::{ContentPart, Exchange, Message, MessageContent};
use crate::turns::{StepStatus, TurnStatus};

/// The request of the last turn in `history`: every user's words with the answer that they got. A failed turn gives the user's words only, and
/// neighbours of one role are joined, since many models insist that roles alternate.
pub(super) fn of(system: String, history: Vec<Exchange>) -> ChatRequest {
    let mut messages: Vec<ChatMessage> = Vec::new();
    for exchange in history {
        say(&mut messages, parts(&exchange.message));
        if exchange.turn.status == TurnStatus::Failed {
            continue;
        }
        let kept =
            exchange.steps.into_iter().filter(|step| step.status != StepStatus::Abandoned && !step.text.is_empty());
        for step in kept {
            answer(&mut messages, &step.text);
        }
    }
    ChatRequest { system, messages, tools: Vec::new() }
}

fn say(messages: &mut Vec<ChatMessage>, parts: Vec<ChatPart>) {
    match messages.last_mut() {
        Some(ChatMessage::User(said)) => said.extend(parts),
        _ => messages.push(ChatMessage::User(parts)),
    }
}

fn answer(messages: &mut Vec<ChatMessage>, text: &str) {
    match messages.last_mut() {
        Some(ChatMessage::Assistant { text: said, .. }) => {
            said.push_str("\n\n");
            said.push_str(text);
        }
        _ => messages.push(ChatMessage::Assistant { text: text.to_owned(), calls: Vec::new() }),
    }
}

fn parts(message: &Message) -> Vec<ChatPart> {
    let content = MessageContent::stored(&message.text, message.parts.as_ref());
    let part = |part| match part {
        ContentPart::Text(part) => ChatPart::Text(part.text),
        ContentPart::Image(part) => ChatPart::Image { media_type: part.media_type, data: part.data },
    };
    content.into_parts().into_iter().map(part).collect()
}
