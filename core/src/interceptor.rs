//! Interceptors: one visible, ordered list around every handler. An interceptor may change
//! the request, change the answer, or stop the call with an error of its own.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::dispatcher::Handler;

/// One link of the chain, around everything behind it.
///
/// `C` is the caller's context, `Q` the request, `R` the reply, `E` the error.
#[async_trait]
pub trait Interceptor<C, Q, R, E>: Send + Sync
where
    C: Send,
    Q: Send + 'static,
    R: Send,
    E: Send,
{
    /// The name in logs and in the list.
    fn name(&self) -> &'static str;

    /// Handles the call: usually by changing `request`, calling `next.run`, and changing the
    /// answer; or by answering without `next`.
    async fn around(&self, context: &mut C, request: Q, next: Next<'_, C, Q, R, E>)
    -> Result<R, E>;
}

/// The rest of the chain and, at its end, the handler.
pub struct Next<'n, C, Q, R, E> {
    rest: &'n [Arc<dyn Interceptor<C, Q, R, E>>],
    handler: &'n dyn Handler<C, Q, R, E>,
}

impl<C, Q, R, E> fmt::Debug for Next<'_, C, Q, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} left)", self.rest.len())
    }
}

impl<'n, C, Q, R, E> Next<'n, C, Q, R, E>
where
    C: Send,
    Q: Send + 'static,
    R: Send,
    E: Send,
{
    pub(crate) fn new(
        rest: &'n [Arc<dyn Interceptor<C, Q, R, E>>],
        handler: &'n dyn Handler<C, Q, R, E>,
    ) -> Self {
        Self { rest, handler }
    }

    /// Runs the rest of the chain.
    pub async fn run(self, context: &mut C, request: Q) -> Result<R, E> {
        match self.rest.split_first() {
            Some((first, rest)) => {
                first
                    .around(
                        context,
                        request,
                        Next {
                            rest,
                            handler: self.handler,
                        },
                    )
                    .await
            }
            None => self.handler.call(context, request).await,
        }
    }
}

/// An interceptor that looks at (and may change) the request before the handler: return an
/// error to stop.
pub struct Before<F> {
    name: &'static str,
    check: F,
}

/// Makes an interceptor of a function on the request.
pub fn before<C, Q, E, F>(name: &'static str, check: F) -> Before<F>
where
    F: Fn(&mut C, &mut Q) -> Result<(), E> + Send + Sync,
{
    Before { name, check }
}

impl<F> fmt::Debug for Before<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Before({})", self.name)
    }
}

#[async_trait]
impl<C, Q, R, E, F> Interceptor<C, Q, R, E> for Before<F>
where
    C: Send,
    Q: Send + 'static,
    R: Send,
    E: Send,
    F: Fn(&mut C, &mut Q) -> Result<(), E> + Send + Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }
    async fn around(
        &self,
        context: &mut C,
        mut request: Q,
        next: Next<'_, C, Q, R, E>,
    ) -> Result<R, E> {
        (self.check)(context, &mut request)?;
        next.run(context, request).await
    }
}

/// An interceptor that looks at (and may change) the answer.
pub struct After<F> {
    name: &'static str,
    change: F,
}

/// Makes an interceptor of a function on the answer.
pub fn after<C, R, E, F>(name: &'static str, change: F) -> After<F>
where
    F: Fn(&mut C, Result<R, E>) -> Result<R, E> + Send + Sync,
{
    After { name, change }
}

impl<F> fmt::Debug for After<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "After({})", self.name)
    }
}

#[async_trait]
impl<C, Q, R, E, F> Interceptor<C, Q, R, E> for After<F>
where
    C: Send,
    Q: Send + 'static,
    R: Send,
    E: Send,
    F: Fn(&mut C, Result<R, E>) -> Result<R, E> + Send + Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }
    async fn around(
        &self,
        context: &mut C,
        request: Q,
        next: Next<'_, C, Q, R, E>,
    ) -> Result<R, E> {
        let answer = next.run(context, request).await;
        (self.change)(context, answer)
    }
}
