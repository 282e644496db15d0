// Starts GraphiQL against the server that served the page: operations by POST, subscriptions by graphql-transport-ws.
"use strict";

const agent = `# 1. Make an agent: press the play button.
# The next tab needs the id that it answers.
mutation CreateAgent {
  createAgent(input: { name: "Guide", systemPrompt: "You answer in one short paragraph." }) {
    agent {
      id
      name
      status
    }
  }
}

# What is there already.
query Agents {
  agents(first: 10) {
    nodes {
      id
      name
      sessions(first: 3) {
        nodes {
          id
          title
          status
        }
      }
    }
  }
}
`;

const session = `# 2. Open a session with the agent, then send a message
# into it. Both ids go into the variables below.
# The third tab shows the answer while it is written;
# whether it is started before or after, it misses nothing.
mutation CreateSession($agentId: ID!) {
  createSession(input: { agentId: $agentId, title: "From GraphiQL" }) {
    session {
      id
      status
    }
  }
}

mutation SendMessage($sessionId: ID!) {
  sendMessage(input: { sessionId: $sessionId, content: [{ text: "Hello! What can you help me with?" }] }) {
    message {
      id
      sequence
    }
    turn {
      id
      status
    }
    eventCursor
  }
}

query Messages($sessionId: ID!) {
  session(id: $sessionId) {
    status
    messages(last: 20) {
      nodes {
        sequence
        role
        content {
          text
        }
      }
    }
  }
}
`;

const events = `# 3. Watch a session (its id goes into the variables).
# What happened is replayed first, up to CaughtUp;
# the rest comes as it happens.
subscription SessionEvents($sessionId: ID!) {
  sessionEvents(sessionId: $sessionId) {
    __typename
    cursor
    type
    ... on MessageReceived {
      message {
        content {
          text
        }
      }
    }
    ... on MessageDelta {
      delta
    }
    ... on MessageCreated {
      message {
        content {
          text
        }
      }
    }
    ... on SessionFailed {
      error {
        code
        message
      }
    }
  }
}
`;

const variables = (values) => JSON.stringify(values, null, 2);

const address = new URL("/graphql", window.location.href);
const socketAddress = new URL(address);
socketAddress.protocol = address.protocol === "https:" ? "wss:" : "ws:";

const fetcher = GraphiQL.createFetcher({
  url: address.href,
  wsClient: graphqlWs.createClient({ url: socketAddress.href, lazy: true }),
});

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: [
      { query: agent },
      { query: session, variables: variables({ agentId: "", sessionId: "" }) },
      { query: events, variables: variables({ sessionId: "" }) },
    ],
  }),
);
