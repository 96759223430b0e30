//! One client's socket: a single task that reads frames, turns them into commands, and
//! writes what is queued, flushing once for all of it.
//!
//! While a command runs, or while as many requests wait as are allowed, nothing is read, so
//! that pressure reaches the client's TCP; writing and pings go on.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::random;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::close_code::{self, CloseCode};
use antiphon_protocol::codec::{self, RejectedFrame};
use antiphon_protocol::message::Reconnect;
use antiphon_protocol::peer::PeerFrame;
use antiphon_protocol::{DecodeError, ErrorBody, RequestFrame};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use tracing::{debug, warn};

use super::command::{Answer, Caller, CommandDispatcher, internal};
use super::paced::Paced;
use super::settings::{
    CLOSE_TIMEOUT, ERROR_WINDOW, ERRORS_FORGIVEN, FLUSH_BYTES, MESSAGE_TIMEOUT, WRITE_TIMEOUT,
};

/// How long clients are asked to wait before they reconnect, at most: drawn for each, so that
/// they don't all come at once. A fifth of the time for stopping, if that is less.
const RECONNECT_SPREAD: Duration = Duration::from_secs(2);
/// Who has not left so long after that is closed.
const LEAVE_GRACE: Duration = Duration::from_millis(500);

type LateReply = Pin<Box<dyn Future<Output = String> + Send>>;

/// One connection.
pub(crate) struct Connection<S> {
    socket: WebSocketStream<Paced<S>>,
    caller: Caller,
    dispatcher: Arc<CommandDispatcher>,
    late: FuturesUnordered<LateReply>,
    faults: VecDeque<Instant>,
    login_deadline: Instant,
    ping_at: Instant,
    pong_due: Option<Instant>,
    scope: Shutdown,
    /// Set when the client was told to leave: when it is closed if it has not.
    leave_by: Option<Instant>,
}

/// What the connection woke up for.
enum Wake {
    Write,
    Late(String),
    Timer,
    Drain,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection whose handshake is done.
    pub(crate) fn new(
        socket: WebSocketStream<Paced<S>>,
        caller: Caller,
        dispatcher: Arc<CommandDispatcher>,
        scope: Shutdown,
    ) -> Self {
        let now = clock::now();
        let settings = &caller.node.settings;
        Self {
            socket,
            login_deadline: now + settings.login_timeout(),
            ping_at: now + settings.ping_interval,
            pong_due: None,
            caller,
            dispatcher,
            late: FuturesUnordered::new(),
            faults: VecDeque::new(),
            scope,
            leave_by: None,
        }
    }

    /// Serves the connection until it ends, then unbinds its session. A panic in a command
    /// ends this connection alone.
    pub(crate) async fn run(mut self) {
        self.caller.node.metrics.connection_opened();
        let code = match AssertUnwindSafe(self.serve()).catch_unwind().await {
            Ok(code) => code,
            Err(_) => {
                let body = internal("a command panicked");
                self.reply(codec::encode_error(self.caller.re.as_ref(), &body));
                let _ = self.write_queued().await;
                Some(close_code::INTERNAL)
            }
        };
        let router = &self.caller.node.router;
        router.connection_ended(self.caller.connection);
        let number = code.map_or(0, |code| code.code);
        self.caller.node.metrics.connection_closed(number);
        if let Some(code) = code {
            debug!(
                connection = self.caller.connection.0,
                code = code.code,
                "closing"
            );
            self.close(code).await;
        }
        self.caller.unbind().await;
    }

    /// `None` if the client is gone already.
    async fn serve(&mut self) -> Option<CloseCode> {
        loop {
            let may_read = self.late.len() < self.caller.node.settings.in_flight_max;
            let timer = self.timer();
            let step = tokio::select! {
                biased;
                wake = wake(&self.caller, &mut self.late, timer, &self.scope, self.leave_by.is_some()) => {
                    self.handle(wake).await
                }
                frame = self.socket.next(), if may_read => self.read(frame).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn handle(&mut self, wake: Wake) -> Result<(), Option<CloseCode>> {
        match wake {
            Wake::Write => self.write_queued().await,
            Wake::Late(frame) => {
                self.caller.outbound.push_reply(frame.into());
                Ok(())
            }
            Wake::Timer => self.on_timer().await,
            Wake::Drain => {
                let delay = self.draw_delay();
                let hint = Reconnect {
                    delay_ms: delay.as_millis() as u64,
                    reason: "drain".into(),
                };
                self.reply(codec::encode_event(None, "reconnect", &hint));
                // With another server to go to, it is served until it goes.
                let at_once = self.caller.node.nowhere_to_go.load(Ordering::Relaxed);
                let grace = if at_once {
                    Duration::ZERO
                } else {
                    delay + LEAVE_GRACE
                };
                self.leave_by = Some(clock::now() + grace);
                Ok(())
            }
        }
    }

    fn draw_delay(&self) -> Duration {
        let spread = RECONNECT_SPREAD.min(self.caller.node.settings.shutdown_grace / 5);
        Duration::from_millis(random::below(spread.as_millis().max(1) as u64))
    }

    /// Answers that are still to come get a moment, so that a stopping server leaves as few
    /// sends in doubt as it can.
    async fn finish_late(&mut self) -> Result<(), Option<CloseCode>> {
        let deadline = clock::now() + CLOSE_TIMEOUT;
        while !self.late.is_empty() {
            tokio::select! {
                frame = self.late.next() => match frame {
                    Some(frame) => self.caller.outbound.push_reply(frame.into()),
                    None => break,
                },
                () = clock::sleep_until(deadline) => break,
            }
        }
        self.write_queued().await
    }

    fn reply(&self, frame: String) {
        self.caller.outbound.push_reply(frame.into());
    }

    /// The next moment at which something is due.
    fn timer(&self) -> Instant {
        let mut at = self.pong_due.unwrap_or(self.ping_at);
        if self.caller.session.is_none() {
            at = at.min(self.login_deadline);
        }
        if let Some(leave_by) = self.leave_by {
            at = at.min(leave_by);
        }
        match self.socket.get_ref().unfinished_since() {
            Some(since) => at.min(since + MESSAGE_TIMEOUT),
            None => at,
        }
    }

    async fn on_timer(&mut self) -> Result<(), Option<CloseCode>> {
        let now = clock::now();
        if self.leave_by.is_some_and(|leave_by| now >= leave_by) {
            self.finish_late().await?;
            return Err(Some(close_code::RESTART));
        }
        if self.caller.session.is_none() && now >= self.login_deadline {
            return Err(Some(close_code::AUTH_TIMEOUT));
        }
        let unfinished = self.socket.get_ref().unfinished_since();
        if unfinished.is_some_and(|since| now >= since + MESSAGE_TIMEOUT) {
            return Err(Some(close_code::POLICY));
        }
        if self.pong_due.is_some_and(|due| now >= due) {
            return Err(Some(close_code::DEAD_PEER));
        }
        if self.pong_due.is_none() && now >= self.ping_at {
            self.pong_due = Some(now + self.caller.node.settings.pong_timeout);
            let ping = self.socket.send(Message::Ping(Bytes::new()));
            return within_write_timeout(ping).await;
        }
        Ok(())
    }

    /// Any frame of the client's shows that it is there.
    fn alive(&mut self) {
        self.socket.get_mut().message_done();
        self.pong_due = None;
        self.ping_at = clock::now() + self.caller.node.settings.ping_interval;
    }

    async fn read(
        &mut self,
        frame: Option<Result<Message, WsError>>,
    ) -> Result<(), Option<CloseCode>> {
        let Some(frame) = frame else { return Err(None) };
        match frame {
            Ok(Message::Text(text)) => {
                self.alive();
                self.command(&text).await
            }
            Ok(Message::Binary(_)) => Err(Some(close_code::UNSUPPORTED)),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                self.alive();
                Ok(())
            }
            // The library has queued the answering close frame; the flush sends it.
            Ok(Message::Close(_)) => {
                let _ = clock::timeout(CLOSE_TIMEOUT, self.socket.flush()).await;
                Err(None)
            }
            Err(error) => Err(close_for(&error)),
        }
    }

    async fn command(&mut self, text: &Utf8Bytes) -> Result<(), Option<CloseCode>> {
        match codec::decode_request(text) {
            Ok(request) => self.run_command(request).await,
            Err(rejected) => self.reject(&rejected),
        }
    }

    /// Runs a command; the socket is not read meanwhile, but written.
    async fn run_command(&mut self, request: RequestFrame) -> Result<(), Option<CloseCode>> {
        let RequestFrame { id, command } = request;
        self.caller.re = id;
        let outbound = Arc::clone(&self.caller.outbound);
        let dispatcher = Arc::clone(&self.dispatcher);
        let result = {
            let running = dispatcher.dispatch(&mut self.caller, command);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    biased;
                    result = &mut running => break result,
                    () = outbound.ready() => write_queued(&mut self.socket, &outbound).await?,
                }
            }
        };
        match result {
            Ok(Answer::Now(frame)) => self.reply(frame),
            Ok(Answer::Later(late)) => self.late.push(late),
            Ok(Answer::Queued) => {}
            Err(error) => self.reply(codec::encode_error(self.caller.re.as_ref(), &error)),
        }
        Ok(())
    }

    fn reject(&mut self, rejected: &RejectedFrame) -> Result<(), Option<CloseCode>> {
        let body: ErrorBody = rejected.error.body();
        debug!(
            connection = self.caller.connection.0,
            ext = body.ext,
            "malformed frame"
        );
        self.reply(codec::encode_error(rejected.id.as_ref(), &body));
        let action = rejected.action.as_deref().unwrap_or_default();
        if rejected.error == DecodeError::UnknownAction
            && PeerFrame::CLUSTER_ACTIONS.contains(&action)
        {
            warn!(address = %self.caller.address, "a cluster frame on the client port");
            self.caller.outbound.close(close_code::TOO_MANY_ERRORS);
        }
        if self.is_fault(&rejected.error) {
            let now = clock::now();
            self.faults.push_back(now);
            self.faults
                .retain(|at| now.duration_since(*at) < ERROR_WINDOW);
            if self.faults.len() > ERRORS_FORGIVEN {
                self.caller.outbound.close(close_code::TOO_MANY_ERRORS);
            }
        }
        Ok(())
    }

    /// A value out of range is what a person may type: it costs as much as a message, and is
    /// a fault only for those who send them faster than people. Anything else is the
    /// program's fault.
    fn is_fault(&mut self, error: &DecodeError) -> bool {
        match error {
            DecodeError::InvalidField { .. } | DecodeError::InvalidName(_) => {
                self.caller.bucket.take(1.0).is_err()
            }
            DecodeError::BadJson { .. }
            | DecodeError::ObjectExpected
            | DecodeError::TooDeep
            | DecodeError::DuplicateKey
            | DecodeError::UnknownAction
            | DecodeError::MissingField(_) => true,
        }
    }

    async fn write_queued(&mut self) -> Result<(), Option<CloseCode>> {
        let outbound = Arc::clone(&self.caller.outbound);
        write_queued(&mut self.socket, &outbound).await
    }

    /// Sends the close frame and gives the client a moment to answer. If not even the frame
    /// could be sent, the client gets no more of what the system holds for it: the memory
    /// would be bound for minutes, and without the frame it is of no use.
    async fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code: WireCode::from(code.code),
            reason: Utf8Bytes::from_static(code.reason),
        };
        let mut is_sent = false;
        let farewell = async {
            if self.socket.close(Some(frame)).await.is_ok() {
                is_sent = true;
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = clock::timeout(CLOSE_TIMEOUT, farewell).await;
        if !is_sent {
            self.socket.get_ref().abandon();
        }
    }
}

/// Waits for anything but a frame of the client's. Cancel-safe.
async fn wake(
    caller: &Caller,
    late: &mut FuturesUnordered<LateReply>,
    timer: Instant,
    scope: &Shutdown,
    told_to_leave: bool,
) -> Wake {
    tokio::select! {
        biased;
        () = caller.outbound.ready() => Wake::Write,
        Some(frame) = late.next(), if !late.is_empty() => Wake::Late(frame),
        () = clock::sleep_until(timer) => Wake::Timer,
        () = scope.stopping(), if !told_to_leave => Wake::Drain,
    }
}

/// Writes everything queued, flushing once for each `FLUSH_BYTES`; the close code of the
/// queue ends the connection.
async fn write_queued<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    outbound: &super::session::Outbound,
) -> Result<(), Option<CloseCode>> {
    let mut frames = Vec::new();
    loop {
        let closing = outbound.take(FLUSH_BYTES, &mut frames);
        if !frames.is_empty() {
            let write = async {
                for frame in frames.drain(..) {
                    socket.feed(Message::Text(frame)).await?;
                }
                socket.flush().await
            };
            tokio::select! {
                biased;
                written = within_write_timeout(write) => written?,
                () = outbound.overflowed() => return Err(Some(close_code::SLOW_CONSUMER)),
            }
        } else if closing.is_none() {
            return Ok(());
        }
        if let Some(code) = closing {
            return Err(Some(code));
        }
    }
}

async fn within_write_timeout(
    write: impl Future<Output = Result<(), WsError>>,
) -> Result<(), Option<CloseCode>> {
    match clock::timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(close_code::SLOW_CONSUMER)),
    }
}

/// The close code for a frame that the library refused; `None` if the socket is gone.
fn close_for(error: &WsError) -> Option<CloseCode> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
    match error {
        WsError::Capacity(_) => Some(close_code::TOO_BIG),
        WsError::Utf8(_) => Some(close_code::INVALID_UTF8),
        WsError::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => None,
        WsError::Protocol(_) => Some(close_code::PROTOCOL_ERROR),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
