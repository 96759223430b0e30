//! The action dispatcher: a table from action names to typed handlers, behind one ordered
//! chain of interceptors. The server, the cluster plane and the terminal use the same one.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::interceptor::{Interceptor, Next};

/// A request that names its action.
pub trait Request: Send + 'static {
    /// The action's name.
    fn action(&self) -> &'static str;
}

impl Request for antiphon_protocol::ClientCommand {
    fn action(&self) -> &'static str {
        Self::action(self)
    }
}

impl Request for antiphon_protocol::peer::PeerEnvelope {
    fn action(&self) -> &'static str {
        self.frame.name()
    }
}

/// Something that answers requests.
#[async_trait]
pub trait Handler<C, Q, R, E>: Send + Sync {
    /// Answers one request.
    async fn call(&self, context: &mut C, request: Q) -> Result<R, E>;
}

/// A handler of one typed command `T`, which the request `Q` may hold.
#[async_trait]
pub trait CommandHandler<C, T, R, E>: Send + Sync {
    /// Answers one command.
    async fn handle(&self, context: &mut C, command: T) -> Result<R, E>;
}

struct Typed<H, T> {
    handler: H,
    command: PhantomData<fn(T)>,
    wrong: &'static str,
}

#[async_trait]
impl<C, Q, R, E, H, T> Handler<C, Q, R, E> for Typed<H, T>
where
    C: Send,
    Q: Send + 'static,
    R: Send,
    E: Send,
    T: TryFrom<Q> + Send + 'static,
    H: CommandHandler<C, T, R, E>,
{
    async fn call(&self, context: &mut C, request: Q) -> Result<R, E> {
        let Ok(command) = T::try_from(request) else {
            unreachable!(
                "the table holds the handler of {} under its own name",
                self.wrong
            )
        };
        self.handler.handle(context, command).await
    }
}

/// The table and the chain.
pub struct Dispatcher<C, Q, R, E> {
    chain: Vec<Arc<dyn Interceptor<C, Q, R, E>>>,
    handlers: HashMap<&'static str, Box<dyn Handler<C, Q, R, E>>>,
    fallback: Box<dyn Handler<C, Q, R, E>>,
}

impl<C, Q, R, E> fmt::Debug for Dispatcher<C, Q, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Dispatcher({} handlers, {} interceptors)",
            self.handlers.len(),
            self.chain.len()
        )
    }
}

impl<C, Q, R, E> Dispatcher<C, Q, R, E>
where
    C: Send + 'static,
    Q: Request,
    R: Send + 'static,
    E: Send + 'static,
{
    /// A table without handlers; `fallback` answers what no handler is there for.
    pub fn new(fallback: impl Handler<C, Q, R, E> + 'static) -> Self {
        Self {
            chain: Vec::new(),
            handlers: HashMap::new(),
            fallback: Box::new(fallback),
        }
    }

    /// Adds an interceptor behind those added before: the list reads in the order of the call.
    #[must_use]
    pub fn around(mut self, interceptor: impl Interceptor<C, Q, R, E> + 'static) -> Self {
        self.chain.push(Arc::new(interceptor));
        self
    }

    /// Adds the handler of the command `T` under `action`.
    ///
    /// # Panics
    /// If the action has a handler already: that is a mistake in the program.
    #[must_use]
    pub fn on<T>(
        mut self,
        action: &'static str,
        handler: impl CommandHandler<C, T, R, E> + 'static,
    ) -> Self
    where
        T: TryFrom<Q> + Send + 'static,
    {
        let typed = Typed {
            handler,
            command: PhantomData::<fn(T)>,
            wrong: action,
        };
        let before = self.handlers.insert(action, Box::new(typed));
        assert!(before.is_none(), "two handlers for {action}");
        self
    }

    /// The names of the interceptors, in the order of the call.
    pub fn interceptors(&self) -> Vec<&'static str> {
        self.chain
            .iter()
            .map(|interceptor| interceptor.name())
            .collect()
    }

    /// The actions that have a handler, sorted.
    pub fn actions(&self) -> Vec<&'static str> {
        let mut actions: Vec<_> = self.handlers.keys().copied().collect();
        actions.sort_unstable();
        actions
    }

    /// Sends a request through the chain to its handler.
    pub async fn dispatch(&self, context: &mut C, request: Q) -> Result<R, E> {
        let handler = self
            .handlers
            .get(request.action())
            .unwrap_or(&self.fallback);
        Next::new(&self.chain, handler.as_ref())
            .run(context, request)
            .await
    }
}

#[cfg(test)]
mod tests;
