//! The client against servers that answer, stall, die and come back.

use super::support::*;
use bytes::Bytes;
use mainstem_common::remoting::{
    CallCause, ClientConfig, Command, NoPeerRequests, PeerAnswer, PeerRequests, RemotingClient,
    Server,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn client() -> RemotingClient {
    RemotingClient::new(ClientConfig::default(), Arc::new(NoPeerRequests))
}

/// Answers every request with its body reversed, and notes what came.
#[derive(Debug, Default)]
struct Reverser {
    seen: Mutex<Vec<(String, i32)>>,
    count: AtomicUsize,
}

impl PeerRequests for Reverser {
    fn request(&self, from: &str, command: Command) -> Option<PeerAnswer> {
        self.seen
            .lock()
            .unwrap()
            .push((from.to_owned(), command.code));
        self.count.fetch_add(1, SeqCst);
        let body: Bytes = command.body.iter().rev().copied().collect();
        Some(Box::pin(async move {
            Command::response(0)
                .with_ext("by", "reverser")
                .with_body(body)
        }))
    }
}

#[tokio::test]
async fn calls_share_one_connection_and_find_their_own_answers() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let client = Arc::new(client());
    let calls: Vec<_> = (0..500)
        .map(|number: i32| {
            let (client, addr) = (client.clone(), addr.clone());
            tokio::spawn(async move {
                let ask = Command::request(ECHO)
                    .with_ext("n", number.to_string())
                    .with_body(vec![number as u8; 3_000]);
                let reply = client.call(&addr, ask, PATIENCE).await.unwrap();
                assert_eq!(reply.ext().required_i32("n"), Ok(number));
                assert_eq!(reply.body, vec![number as u8; 3_000]);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(client.open_connections(), 1);
    assert_eq!(actor.sessions.load(SeqCst), 1);
}

#[tokio::test]
async fn a_refused_connection_is_not_sent_and_backs_off() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr();
    server.shutdown(Duration::ZERO).await;
    let config = ClientConfig {
        min_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_millis(200),
        ..Default::default()
    };
    let client = RemotingClient::new(config, Arc::new(NoPeerRequests));
    let name = addr.to_string();
    let error = client
        .call(&name, Command::request(ECHO), PATIENCE)
        .await
        .unwrap_err();
    assert!(!error.was_sent());
    assert!(error.to_string().contains(&name), "{error}");
    assert!(matches!(error.cause(), CallCause::Connect(_)), "{error}");
    // Within the pause no attempt is made even though somebody listens again.
    let _server = Server::bind(addr, Default::default(), actor.clone()).unwrap();
    assert!(
        client
            .call(&name, Command::request(ECHO), PATIENCE)
            .await
            .is_err()
    );
    assert_eq!(actor.sessions.load(SeqCst), 0);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(
        client
            .call(&name, Command::request(ECHO), PATIENCE)
            .await
            .unwrap()
            .code,
        0
    );
}

#[tokio::test]
async fn an_unanswered_call_times_out_as_unknown_and_later_calls_work() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let client = client();
    let timeout = Duration::from_millis(60);
    let error = client
        .call(&addr, Command::request(DEFER), timeout)
        .await
        .unwrap_err();
    assert!(error.was_sent());
    assert_eq!(*error.cause(), CallCause::TimedOut(timeout));
    // The late answer finds nobody and disturbs nobody.
    for deferred in actor.take_deferred(1).await {
        deferred.reply(0).send();
    }
    assert_eq!(
        client
            .call(&addr, Command::request(ECHO), PATIENCE)
            .await
            .unwrap()
            .code,
        0
    );
}

#[tokio::test]
async fn a_server_that_dies_leaves_outcomes_unknown_and_is_reconnected() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr();
    let name = addr.to_string();
    let client = Arc::new(client());
    let call = tokio::spawn({
        let (client, name) = (client.clone(), name.clone());
        async move { client.call(&name, Command::request(DEFER), PATIENCE).await }
    });
    let deferred = actor.take_deferred(1).await;
    server.shutdown(Duration::ZERO).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(error.was_sent());
    assert_eq!(*error.cause(), CallCause::Closed);
    drop(deferred);
    let _server = Server::bind(addr, Default::default(), actor.clone()).unwrap();
    let started = Instant::now();
    loop {
        match client.call(&name, Command::request(ECHO), PATIENCE).await {
            Ok(reply) => break assert_eq!(reply.code, 0),
            Err(error) => assert!(!error.was_sent() && started.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_can_call_its_client_on_the_clients_connection() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let reverser = Arc::new(Reverser::default());
    let client = RemotingClient::new(ClientConfig::default(), reverser.clone());
    let reply = client
        .call(
            &addr,
            Command::request(CALL_BACK).with_body("abc"),
            PATIENCE,
        )
        .await
        .unwrap();
    assert_eq!(
        (&reply.body[..], reply.ext().get("by")),
        (&b"cba"[..], Some("reverser"))
    );
    assert_eq!(*reverser.seen.lock().unwrap(), [(addr, 70)]);
}

#[tokio::test]
async fn one_way_requests_reach_the_client_and_are_not_answered() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let reverser = Arc::new(Reverser::default());
    let client = Arc::new(RemotingClient::new(
        ClientConfig::default(),
        reverser.clone(),
    ));
    let asked = tokio::spawn({
        let (client, addr) = (client.clone(), addr.clone());
        async move { client.call(&addr, Command::request(DEFER), PATIENCE).await }
    });
    for deferred in actor.take_deferred(1).await {
        deferred.connection().one_way(Command::request(40)).unwrap();
        deferred.reply(0).send();
    }
    asked.await.unwrap().unwrap();
    eventually("the notice arrives", || reverser.count.load(SeqCst) == 1).await;
    assert_eq!(actor.requests.load(SeqCst), 1, "the notice was answered");
}

#[tokio::test]
async fn requests_that_the_client_does_not_handle_are_refused() {
    let actor = Actor::new();
    let server = start(&actor);
    let client = client();
    let addr = server.local_addr().to_string();
    let reply = client
        .call(&addr, Command::request(CALL_BACK), PATIENCE)
        .await
        .unwrap();
    assert_eq!(reply.code, 3);
}

#[tokio::test]
async fn one_way_calls_arrive_in_order_and_wait_for_a_slow_server() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let config = ClientConfig {
        max_unsent_bytes_per_connection: 1 << 20,
        ..Default::default()
    };
    let client = RemotingClient::new(config, Arc::new(NoPeerRequests));
    for _ in 0..2_000 {
        client
            .one_way(&addr, Command::request(ECHO).with_body(vec![0; 20_000]))
            .await
            .unwrap();
    }
    eventually("all arrive", || actor.requests.load(SeqCst) == 2_000).await;
}

#[tokio::test]
async fn the_window_makes_callers_wait_instead_of_sending_more() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let config = ClientConfig {
        window_bytes: 4 * 1024,
        ..Default::default()
    };
    let client = Arc::new(RemotingClient::new(config, Arc::new(NoPeerRequests)));
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (client, addr) = (client.clone(), addr.clone());
            tokio::spawn(async move { client.call(&addr, Command::request(DEFER), PATIENCE).await })
        })
        .collect();
    let first = actor.take_deferred(4).await;
    let timeout = Duration::from_millis(50);
    let error = client
        .call(&addr, Command::request(ECHO), timeout)
        .await
        .unwrap_err();
    assert!(!error.was_sent(), "{error}");
    assert_eq!(actor.requests.load(SeqCst), 4);
    for deferred in first {
        deferred.reply(0).send();
    }
    for deferred in actor.take_deferred(4).await {
        deferred.reply(0).send();
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().code, 0);
    }
}

#[tokio::test]
async fn a_body_over_the_frame_limit_is_not_sent() {
    let client = client();
    let ask = Command::request(ECHO).with_body(vec![0; 17_000_000]);
    let error = client.call("127.0.0.1:1", ask, PATIENCE).await.unwrap_err();
    assert!(
        matches!(error.cause(), CallCause::TooLarge { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn close_waits_for_calls_under_way() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let client = Arc::new(client());
    let call = tokio::spawn({
        let (client, addr) = (client.clone(), addr.clone());
        async move { client.call(&addr, Command::request(DEFER), PATIENCE).await }
    });
    let deferred = actor.take_deferred(1).await;
    let close = tokio::spawn({
        let client = client.clone();
        async move { client.close().await }
    });
    eventually("the client is closed to new calls", || {
        let call = client.call(&addr, Command::request(ECHO), PATIENCE);
        // The refusal comes without waiting.
        futures_now(call).is_some_and(|outcome| outcome.is_err())
    })
    .await;
    assert!(!close.is_finished());
    for deferred in deferred {
        deferred.reply(0).send();
    }
    assert_eq!(call.await.unwrap().unwrap().code, 0);
    close.await.unwrap();
    eventually("the connection is gone", || {
        actor.sessions.load(SeqCst) == 0
    })
    .await;
}

/// The future's output if it is ready at once.
fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn dropping_the_client_ends_its_connections() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let client = client();
    client
        .call(&addr, Command::request(ECHO), PATIENCE)
        .await
        .unwrap();
    assert_eq!(actor.sessions.load(SeqCst), 1);
    drop(client);
    eventually("the connection is gone", || {
        actor.sessions.load(SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr().to_string();
    let config = ClientConfig {
        window_bytes: 2 * 1024,
        ..Default::default()
    };
    let client = RemotingClient::new(config, Arc::new(NoPeerRequests));
    client
        .call(&addr, Command::request(ECHO), PATIENCE)
        .await
        .unwrap();
    for _ in 0..10 {
        // Dropped while its answer is still to come; its place in the window must come free.
        let call = client.call(&addr, Command::request(DEFER), PATIENCE);
        assert!(
            tokio::time::timeout(Duration::from_millis(5), call)
                .await
                .is_err()
        );
    }
    assert_eq!(
        client
            .call(&addr, Command::request(ECHO), PATIENCE)
            .await
            .unwrap()
            .code,
        0
    );
}

#[tokio::test]
async fn an_unknown_host_is_not_sent() {
    let client = client();
    let error = client
        .call("no-such-host.invalid:1", Command::request(ECHO), PATIENCE)
        .await
        .unwrap_err();
    assert!(!error.was_sent(), "{error}");
    let error = client
        .call("nonsense", Command::request(ECHO), PATIENCE)
        .await
        .unwrap_err();
    assert!(!error.was_sent(), "{error}");
}
