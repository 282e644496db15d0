// Starts GraphiQL against the server that served the page: operations by POST, subscriptions by graphql-transport-ws.
// Each tab is an example that runs; its first lines say what to do with it.
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

const session = `# 2. Chat: put the agent's id into the variables below and run
# CreateSession; put the session's id beside it and run
# SendMessage (the play button asks which). Messages shows both
# sides. The third tab shows the answer while it is written:
# started before or after, it misses nothing.
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

const page = `# 4. A list is read page by page: give the endCursor of one page
# as the variable after, and the next one comes.
# The same with last and before, from the other end.
query AgentsPage($after: String) {
  agents(first: 2, after: $after) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    edges {
      cursor
      node {
        id
        name
        createdAt
      }
    }
  }
}
`;

const json = (value) => JSON.stringify(value, null, 2);

// Where the server asks for credentials, an API key or an access token goes in here. Left empty, it is not sent.
const headers = json({ Authorization: "" });

const address = new URL("/graphql", window.location.href);
const socketAddress = new URL(address);
socketAddress.protocol = address.protocol === "https:" ? "wss:" : "ws:";

// A subscription opens a socket of its own, and its headers become the payload of connection_init.
const send = GraphiQL.createFetcher({ url: address.href, subscriptionUrl: socketAddress.href });
const given = (all) => Object.fromEntries(Object.entries(all ?? {}).filter(([, value]) => value !== ""));
const fetcher = (operation, options) => send(operation, { ...options, headers: given(options?.headers) });

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultHeaders: headers,
    defaultTabs: [
      { query: agent, headers },
      { query: session, variables: json({ agentId: "", sessionId: "" }), headers },
      { query: events, variables: json({ sessionId: "" }), headers },
      { query: page, variables: json({ after: null }), headers },
    ],
  }),
);

async function sayWhatIsNeeded() {
  const body = JSON.stringify({ query: "{ server { authMode } }" });
  const answer = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body });
  const mode = (await answer.json()).data?.server.authMode;
  if (mode !== undefined && mode !== "NONE") {
    document.getElementById("credentials").textContent =
      "This server asks who you are: put an API key (evr_…) or an access token into Authorization, in the tab " +
      "Headers below the query, then fetch the schema again (the round arrows at the lower left).";
  }
}
sayWhatIsNeeded();
