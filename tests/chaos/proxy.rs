//! A TCP proxy that misbehaves as it is told, between any two of ours: it passes, delays, drips, swallows, refuses and cuts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is read at once, in bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// What the proxy does with what comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Hands it on.
    Pass,
    /// Hands each piece on so much later.
    Delay(Duration),
    /// Hands on one byte at a time.
    Drip,
    /// Accepts connections and holds them and everything in them: nobody hears anything, not even an end.
    BlackHole,
    /// Closes new connections at once; those that are open go on.
    Refuse,
}

/// A proxy on a port of its own. It ends when it is dropped.
pub struct Proxy {
    pub port: u16,
    orders: Arc<watch::Sender<Orders>>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Orders {
    mode: Mode,
    target: SocketAddr,
    /// Connections of an earlier generation are cut.
    generation: u64,
}

impl Proxy {
    /// A proxy before this port of loopback, passing.
    pub async fn start(target_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = SocketAddr::from(([127, 0, 0, 1], target_port));
        let orders = Arc::new(watch::Sender::new(Orders { mode: Mode::Pass, target, generation: 0 }));
        let accepting = tokio::spawn(accept(listener, orders.clone()));
        Self { port, orders, accepting }
    }

    /// From now on it does this, with open connections too.
    pub fn set(&self, mode: Mode) {
        self.orders.send_modify(|orders| orders.mode = mode);
    }

    /// Ends all connections that are open now.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.generation += 1);
    }

    /// New connections go to this port.
    pub fn aim(&self, target_port: u16) {
        self.orders.send_modify(|orders| orders.target.set_port(target_port));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, orders: Arc<watch::Sender<Orders>>) {
    while let Ok((client, _)) = listener.accept().await {
        if orders.borrow().mode != Mode::Refuse {
            tokio::spawn(carry(client, orders.subscribe()));
        }
    }
}

/// One connection, until one end closes it or it is cut.
async fn carry(client: TcpStream, mut orders: watch::Receiver<Orders>) {
    let generation = orders.borrow().generation;
    let mut cut = orders.clone();
    let carried = async {
        // A black hole does not even connect.
        let _ = orders.wait_for(|orders| orders.mode != Mode::BlackHole).await;
        let target = orders.borrow().target;
        let Ok(server) = TcpStream::connect(target).await else { return };
        // Byte by byte means byte by byte.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::join!(pump(from_client, to_server, orders.clone()), pump(from_server, to_client, orders.clone()));
    };
    tokio::select! {
        () = carried => {}
        _ = cut.wait_for(|orders| orders.generation != generation) => {}
    }
}

/// One direction, until its source ends: then its target is told so.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut orders: watch::Receiver<Orders>) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let Ok(Mode::Pass | Mode::Delay(_) | Mode::Drip | Mode::Refuse) =
            orders.wait_for(|orders| orders.mode != Mode::BlackHole).await.map(|orders| orders.mode)
        else {
            return;
        };
        let mode = orders.borrow().mode;
        if let Mode::Delay(delay) = mode {
            tokio::time::sleep(delay).await;
        }
        let step = if mode == Mode::Drip { 1 } else { read };
        for part in piece[..read].chunks(step) {
            if to.write_all(part).await.is_err() {
                return;
            }
            // Else bytes that wait would travel together.
            if mode == Mode::Drip {
                tokio::task::yield_now().await;
            }
        }
    }
    // An end that comes in a black hole is not heard either.
    let _ = orders.wait_for(|orders| orders.mode != Mode::BlackHole).await;
    let _ = to.shutdown().await;
}
