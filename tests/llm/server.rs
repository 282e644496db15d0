//! A model server that answers from a script, byte by byte what the test wants, on a real socket.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// So long a test waits for what must happen; it ends as soon as it has.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    /// The API root, `{origin}/v1`.
    pub root: String,
    pub origin: String,
    requests: UnboundedReceiver<Request>,
    closed: UnboundedReceiver<()>,
}

pub struct Request {
    /// Counts connections from 1.
    pub connection: usize,
    pub head: String,
    pub body: Value,
}

#[derive(Clone)]
pub struct Reply {
    bytes: Vec<u8>,
    one_by_one: bool,
    /// Between two bytes.
    pause: Duration,
    later: Option<Later>,
    then: Then,
}

/// What a reply goes on with, a part each time that the test says so.
#[derive(Clone)]
struct Later {
    parts: Vec<String>,
    go: Arc<Mutex<mpsc::Receiver<()>>>,
}

/// Lets a reply go on.
pub struct Gate(mpsc::Sender<()>);

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Close,
    /// Break the connection in the middle.
    Reset,
    /// Say nothing more, and tell when the client has gone.
    Hold,
    /// Read the next request on the same connection.
    Keep,
}

impl Server {
    /// Answers one request after the other with one reply after the other; further ones with none.
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> Server {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), replies)
    }

    /// The same where somebody listens already.
    pub fn on(listener: TcpListener, replies: impl IntoIterator<Item = Reply>) -> Server {
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let root = format!("{origin}/v1");
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let ((told, requests), (gone, closed)) = (unbounded_channel(), unbounded_channel());
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let (replies, told, gone) = (replies.clone(), told.clone(), gone.clone());
                std::thread::spawn(move || converse(&stream.unwrap(), index + 1, &replies, &told, &gone));
            }
        });
        Server { root, origin, requests, closed }
    }

    pub async fn request(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.expect("a request").unwrap()
    }

    /// The requests that have come so far and were not taken.
    pub fn requests_left(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }

    /// Waits until the client of a held reply has closed its connection.
    pub async fn client_gone(&mut self) {
        tokio::time::timeout(PATIENCE, self.closed.recv()).await.expect("a closed connection").unwrap();
    }
}

impl Reply {
    /// Whatever bytes, then the end of the connection.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Reply {
        Reply {
            bytes: bytes.as_ref().to_vec(),
            one_by_one: false,
            pause: Duration::ZERO,
            later: None,
            then: Then::Close,
        }
    }

    /// An event stream with this body, which ends with the connection.
    pub fn events(body: impl AsRef<[u8]>) -> Reply {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Reply::raw([head.as_bytes(), body.as_ref()].concat())
    }

    /// Lines of JSON, which end with the connection.
    pub fn lines(body: impl AsRef<[u8]>) -> Reply {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
        Reply::raw([head.as_bytes(), body.as_ref()].concat())
    }

    /// An event stream on a connection that stays open.
    pub fn kept_events(body: &str) -> Reply {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let bytes = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes();
        Reply { then: Then::Keep, ..Reply::raw(bytes) }
    }

    pub fn status(status: u16, content_type: &str, body: &str) -> Reply {
        let length = body.len();
        Reply::raw(format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    }

    pub fn json(status: u16, body: &str) -> Reply {
        Reply::status(status, "application/json; charset=utf-8", body)
    }

    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::raw(format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ))
    }

    /// The same with another header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        let end = self.bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        self.bytes.splice(end..end, format!("\r\n{name}: {value}").into_bytes());
        self
    }

    /// The same, which asks to be asked again at once.
    pub fn again(self) -> Reply {
        self.header("retry-after", "0")
    }

    pub fn one_by_one(mut self) -> Reply {
        self.one_by_one = true;
        self
    }

    /// After the head, byte by byte at this pace.
    pub fn paced(self, pause: Duration) -> Reply {
        Reply { pause, ..self.one_by_one() }
    }

    /// Ends with a reset instead of an orderly end.
    pub fn reset(self) -> Reply {
        Reply { then: Then::Reset, ..self }
    }

    fn send(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let head = self.bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |end| end + 4);
        let (at_once, rest) = self.bytes.split_at(if self.pause.is_zero() { 0 } else { head });
        stream.write_all(at_once)?;
        let size = if self.one_by_one { 1 } else { rest.len().max(1) };
        rest.chunks(size).try_for_each(|part| {
            std::thread::sleep(self.pause);
            stream.write_all(part)
        })
    }

    /// After what it says at once, goes on with the next part each time that the gate is opened.
    pub fn gated(mut self, parts: impl IntoIterator<Item = String>) -> (Reply, Gate) {
        let (gate, go) = mpsc::channel();
        self.later = Some(Later { parts: parts.into_iter().collect(), go: Arc::new(Mutex::new(go)) });
        (self, Gate(gate))
    }

    pub fn held(mut self) -> Reply {
        self.then = Then::Hold;
        self
    }
}

impl Gate {
    pub fn open(&self) {
        self.0.send(()).unwrap();
    }
}

impl Later {
    /// Ends early when the test or the client is gone.
    fn say(&self, mut stream: &TcpStream) {
        let go = self.go.lock().unwrap();
        for part in &self.parts {
            if go.recv().is_err() || stream.write_all(part.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn converse(
    stream: &TcpStream,
    connection: usize,
    replies: &Mutex<VecDeque<Reply>>,
    told: &UnboundedSender<Request>,
    gone: &UnboundedSender<()>,
) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader, connection) {
        // A test may have ended before its server.
        let _ = told.send(request);
        let Some(reply) = replies.lock().unwrap().pop_front() else {
            return;
        };
        let sent = reply.send(stream);
        if let Some(later) = &reply.later {
            later.say(stream);
        }
        match reply.then {
            Then::Keep if sent.is_ok() => continue,
            Then::Reset => reset(stream),
            Then::Hold => {
                let _ = reader.read(&mut [0]);
                let _ = gone.send(());
            }
            _ => {}
        }
        return;
    }
}

/// The connection's end is then a reset.
fn reset(stream: &TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _runtime = runtime.enter();
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream.try_clone().unwrap()).unwrap().set_zero_linger().unwrap();
}

fn read_request(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Request { connection, head, body })
}
