//! A server that hands every request to a closure and does what it says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mainstem_common::remoting::{Command, FrameError};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the server does with a request.
pub enum Reaction {
    Reply(Command),
    ReplyAfter(Duration, Command),
    /// Answers when somebody sends through this receiver.
    ReplyLater(tokio::sync::oneshot::Receiver<Command>),
    Silence,
    Close,
}

pub type React = dyn Fn(&Command) -> Reaction + Send + Sync;

pub struct Server {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

struct Shared {
    react: Box<React>,
    seen: Mutex<Vec<Command>>,
    connections: Mutex<Vec<mpsc::UnboundedSender<Command>>>,
    open: AtomicUsize,
    accepted: AtomicUsize,
    stop: CancellationToken,
}

impl Server {
    pub async fn start(react: impl Fn(&Command) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            react: Box::new(react),
            seen: Mutex::default(),
            connections: Mutex::default(),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            stop: stop.clone(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            let stop = serving.stop.clone();
            let accept = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    serving.open.fetch_add(1, Ordering::SeqCst);
                    serving.accepted.fetch_add(1, Ordering::SeqCst);
                    let shared = Arc::clone(&serving);
                    tokio::spawn(async move {
                        let stop = shared.stop.clone();
                        stop.run_until_cancelled(serve(&shared, stream)).await;
                        shared.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            };
            stop.run_until_cancelled(accept).await;
        });
        Self {
            addr,
            shared,
            _stop: stop.drop_guard(),
        }
    }

    pub fn text(&self) -> String {
        self.addr.to_string()
    }

    /// The requests of this code so far.
    pub fn seen(&self, code: i32) -> Vec<Command> {
        self.shared
            .seen
            .lock()
            .iter()
            .filter(|command| command.code == code)
            .cloned()
            .collect()
    }

    pub fn count(&self, code: i32) -> usize {
        self.shared
            .seen
            .lock()
            .iter()
            .filter(|command| command.code == code)
            .count()
    }

    /// Sends a request to every connected client.
    pub fn push(&self, command: &Command) {
        self.shared
            .connections
            .lock()
            .retain(|connection| connection.send(command.clone()).is_ok());
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

async fn serve(shared: &Arc<Shared>, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let (mut read, mut write) = stream.into_split();
    let (send, mut to_write) = mpsc::unbounded_channel::<Command>();
    shared.connections.lock().push(send.clone());
    let writer = async {
        while let Some(command) = to_write.recv().await {
            let mut frame = BytesMut::new();
            command.encode(&mut frame);
            if write.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    let reader = async {
        let mut buffer = BytesMut::new();
        loop {
            while let Some(frame) = take_frame(&mut buffer) {
                let command: Result<Command, FrameError> = Command::decode(frame);
                let Ok(command) = command else { return };
                if !handle(shared, command, &send) {
                    return;
                }
            }
            match read.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        () = writer => {}
        () = reader => {}
    }
}

/// Says whether the connection stays open.
fn handle(shared: &Arc<Shared>, command: Command, send: &mpsc::UnboundedSender<Command>) -> bool {
    shared.seen.lock().push(command.clone());
    if command.is_response() {
        return true;
    }
    let answer = |mut reply: Command| {
        reply.opaque = command.opaque;
        if !command.is_one_way() {
            let _ = send.send(reply);
        }
    };
    match (shared.react)(&command) {
        Reaction::Reply(reply) => answer(reply),
        Reaction::ReplyAfter(time, mut reply) => {
            reply.opaque = command.opaque;
            let send = send.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                let _ = send.send(reply);
            });
        }
        Reaction::ReplyLater(reply) => {
            let (send, opaque) = (send.clone(), command.opaque);
            tokio::spawn(async move {
                if let Ok(mut reply) = reply.await {
                    reply.opaque = opaque;
                    let _ = send.send(reply);
                }
            });
        }
        Reaction::Silence => {}
        Reaction::Close => return false,
    }
    true
}

fn take_frame(buffer: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(buffer.get(..4)?.try_into().unwrap()) as usize;
    (buffer.len() >= 4 + length).then(|| buffer.split_to(4 + length).freeze())
}
