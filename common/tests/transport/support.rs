//! A service whose requests say what is to be done with them, and a peer that speaks raw frames.

use bytes::{Bytes, BytesMut};
use mainstem_common::remoting::head::FLAG_ONE_WAY;
use mainstem_common::remoting::{
    Command, Connection, Deferred, Durability, Replies, Request, Server, ServerConfig, Service,
    frame,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

/// Replies at once with the request's ext fields and body.
pub(crate) const ECHO: i32 = 1;
/// Replies when the position in ext `position` is durable.
pub(crate) const HELD: i32 = 2;
/// Leaves the reply to whoever takes it from [`Actor::take_deferred`].
pub(crate) const DEFER: i32 = 3;
/// Replies with ext `chunks` chunks of ext `bytes` bytes each.
pub(crate) const CHUNKS: i32 = 4;
/// Is not answered by the handler.
pub(crate) const SILENT: i32 = 5;
pub(crate) const PANIC: i32 = 6;
/// Calls the peer with code 70 and this request's body, and answers with the peer's answer.
pub(crate) const CALL_BACK: i32 = 7;
/// Defers and drops the promise.
pub(crate) const DROP: i32 = 8;
/// Replies with the connection's listener tag.
pub(crate) const TAG: i32 = 9;

/// Is answered by nobody, and waits without counting as in flight.
pub(crate) const WAIT: i32 = 11;
/// Replies and closes the connection.
pub(crate) const CLOSE: i32 = 10;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Actor {
    pub(crate) durability: watch::Sender<Durability>,
    deferred: Mutex<Vec<Deferred>>,
    pub(crate) deferred_changed: Notify,
    pub(crate) requests: AtomicUsize,
    pub(crate) batches: AtomicUsize,
    pub(crate) sessions: AtomicUsize,
}

impl Actor {
    pub(crate) fn new() -> Arc<Actor> {
        Arc::new(Actor {
            durability: watch::channel(Durability::default()).0,
            deferred: Mutex::default(),
            deferred_changed: Notify::new(),
            requests: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
        })
    }

    pub(crate) fn make_durable(&self, position: u64) {
        self.durability.send_modify(|now| now.position = position);
    }

    /// Waits until `count` requests are deferred and takes them.
    pub(crate) async fn take_deferred(&self, count: usize) -> Vec<Deferred> {
        let wait = async {
            loop {
                let changed = self.deferred_changed.notified();
                if self.deferred.lock().unwrap().len() >= count {
                    return self.deferred.lock().unwrap().drain(..count).collect();
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the requests do not arrive")
    }

    pub(crate) fn deferred_count(&self) -> usize {
        self.deferred.lock().unwrap().len()
    }
}

impl Service for Actor {
    type Session = usize;

    fn connected(&self, _connection: &Arc<Connection>) -> usize {
        self.sessions.fetch_add(1, SeqCst);
        0
    }

    fn request(&self, session: &mut usize, request: &Request<'_>, replies: &mut Replies<'_>) {
        *session += 1;
        self.requests.fetch_add(1, SeqCst);
        match request.code {
            ECHO | HELD => {
                let mut reply = replies.reply(0);
                for (name, value) in request.ext.iter() {
                    reply = reply.ext(name, value);
                }
                let reply = reply.body_copy(request.body);
                match request.ext.i64("position").unwrap() {
                    Some(position) => reply.send_when_durable(position as u64),
                    None => reply.send(),
                }
            }
            DEFER => {
                let deferred = replies.defer();
                self.deferred.lock().unwrap().push(deferred);
                self.deferred_changed.notify_one();
            }
            WAIT => {
                let deferred = replies.defer().waiting();
                self.deferred.lock().unwrap().push(deferred);
                self.deferred_changed.notify_one();
            }
            CHUNKS => {
                let bytes = request.ext.required_i32("bytes").unwrap() as usize;
                let chunks = request.ext.required_i32("chunks").unwrap();
                let chunk = |number: i32| Bytes::from(vec![number as u8; bytes]);
                replies
                    .reply(0)
                    .ext_int("chunks", chunks.into())
                    .body_chunks((0..chunks).map(chunk).collect())
                    .send();
            }
            SILENT => {
                // A writer that is dropped leaves no trace.
                let _ = replies.reply(0).ext("half", "done");
            }
            PANIC => panic!("asked to"),
            CALL_BACK => {
                let deferred = replies.defer();
                let body = Bytes::copy_from_slice(request.body);
                let connection = Arc::clone(deferred.connection());
                tokio::spawn(async move {
                    match connection
                        .call(Command::request(70).with_body(body), PATIENCE)
                        .await
                    {
                        Ok(answer) => deferred.send_command(&answer),
                        Err(error) => deferred.reply(1).remark(&error.to_string()).send(),
                    }
                });
            }
            DROP => drop(replies.defer()),
            TAG => {
                let tag = i64::from(replies.connection().listener_tag());
                replies.reply(0).ext_int("tag", tag).send();
            }
            CLOSE => {
                replies.reply(0).send();
                replies.connection().close();
            }
            code => replies.reply(3).remark(&format!("code {code}")).send(),
        }
    }

    fn batch_end(&self, session: &mut usize) {
        assert!(*session > 0, "a batch has requests");
        self.batches.fetch_add(1, SeqCst);
    }

    fn durable(&self) -> Option<watch::Receiver<Durability>> {
        Some(self.durability.subscribe())
    }

    fn durability_lost_reply(&self) -> (i32, String) {
        (14, "the disk is gone".to_owned())
    }

    fn disconnected(&self, _session: usize, connection: &Arc<Connection>) {
        assert!(connection.is_closed());
        self.sessions.fetch_sub(1, SeqCst);
    }
}

pub(crate) fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub(crate) fn start(actor: &Arc<Actor>) -> Server {
    start_with(actor, ServerConfig::default())
}

pub(crate) fn start_with(actor: &Arc<Actor>, config: ServerConfig) -> Server {
    Server::bind(any_port(), config, Arc::clone(actor)).unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// A peer that speaks frames over a bare socket.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    received: BytesMut,
}

impl Peer {
    pub(crate) async fn connect(server: &Server) -> Peer {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer {
            stream,
            received: BytesMut::new(),
        }
    }

    pub(crate) async fn connect_with_receive_buffer(server: &Server, bytes: u32) -> Peer {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        let stream = socket.connect(server.local_addr()).await.unwrap();
        Peer {
            stream,
            received: BytesMut::new(),
        }
    }

    pub(crate) async fn send(&mut self, commands: &[Command]) {
        let mut out = BytesMut::new();
        for command in commands {
            command.encode(&mut out);
        }
        self.send_bytes(&out).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` when the server has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Command> {
        tokio::time::timeout(PATIENCE, self.next_unbounded())
            .await
            .expect("no frame arrives")
    }

    async fn next_unbounded(&mut self) -> Option<Command> {
        loop {
            if let Some(length) = frame::needed(&self.received, usize::MAX).unwrap()
                && self.received.len() >= length
            {
                return Some(Command::decode(self.received.split_to(length).freeze()).unwrap());
            }
            self.received.reserve(1 << 16);
            match self.stream.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn call(&mut self, command: Command) -> Command {
        self.send(&[command]).await;
        self.next().await.expect("the server closed the connection")
    }

    /// That the server has closed the connection, without another frame.
    pub(crate) async fn expect_closed(&mut self) {
        assert_eq!(self.next().await, None, "a frame instead of the end");
    }
}

pub(crate) fn request(code: i32, opaque: i32) -> Command {
    Command {
        opaque,
        ..Command::request(code)
    }
}

pub(crate) fn one_way(code: i32, opaque: i32) -> Command {
    Command {
        flag: FLAG_ONE_WAY,
        ..request(code, opaque)
    }
}

pub(crate) fn held(opaque: i32, position: u64) -> Command {
    request(HELD, opaque).with_ext("position", position.to_string())
}
