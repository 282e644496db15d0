//! A socket whose other end does not read, on a clock that goes on whenever there is nothing to do.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use everruns::edge::Sockets;
use everruns::edge::websocket::WRITE_TIMEOUT;
use futures_util::stream::{self, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_is_dropped_in_time() {
    let dropped = CancellationToken::new();
    let stream = dropped.clone();
    let endless = move || {
        let stream = stream.clone().drop_guard();
        let chunks = stream::repeat(Bytes::from_static(&[b'x'; 16 * 1024])).map(move |chunk| {
            let _in_use = &stream;
            Ok::<_, Infallible>(chunk)
        });
        ready(Body::from_stream(chunks))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(Sockets(listener), Router::new().route("/", get(endless))).into_future());

    let client = TcpStream::connect(address).await.unwrap();
    client.writable().await.unwrap();
    client.try_write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let asked = Instant::now();
    dropped.cancelled().await;
    let waited = asked.elapsed();
    assert!(waited >= WRITE_TIMEOUT && waited < WRITE_TIMEOUT + Duration::from_secs(1), "{waited:?}");
    drop(client);
}
