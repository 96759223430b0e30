use super::*;
use crate::interceptor::{after, before};

#[derive(Debug, PartialEq)]
enum Call {
    Add(Add),
    Other,
}
#[derive(Debug, PartialEq)]
struct Add(u32);

impl Request for Call {
    fn action(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Other => "constructor",
        }
    }
}
impl TryFrom<Call> for Add {
    type Error = Call;
    fn try_from(call: Call) -> Result<Self, Call> {
        match call {
            Call::Add(add) => Ok(add),
            Call::Other => Err(Call::Other),
        }
    }
}

#[derive(Default)]
struct Context {
    sum: u32,
    trace: Vec<&'static str>,
}

struct AddHandler;
#[async_trait]
impl CommandHandler<Context, Add, u32, String> for AddHandler {
    async fn handle(&self, context: &mut Context, Add(n): Add) -> Result<u32, String> {
        context.trace.push("handler");
        context.sum += n;
        Ok(context.sum)
    }
}

struct Unknown;
#[async_trait]
impl Handler<Context, Call, u32, String> for Unknown {
    async fn call(&self, _context: &mut Context, request: Call) -> Result<u32, String> {
        Err(format!("unknown {}", request.action()))
    }
}

struct Traced(&'static str);
#[async_trait]
impl Interceptor<Context, Call, u32, String> for Traced {
    fn name(&self) -> &'static str {
        self.0
    }
    async fn around(
        &self,
        context: &mut Context,
        request: Call,
        next: Next<'_, Context, Call, u32, String>,
    ) -> Result<u32, String> {
        context.trace.push(self.0);
        let answer = next.run(context, request).await;
        context.trace.push(self.0);
        answer
    }
}

fn double(_: &mut Context, call: &mut Call) -> Result<(), String> {
    match call {
        Call::Add(Add(0)) => Err("nothing to add".into()),
        Call::Add(Add(n)) => {
            *n *= 2;
            Ok(())
        }
        Call::Other => Ok(()),
    }
}

fn dispatcher() -> Dispatcher<Context, Call, u32, String> {
    Dispatcher::new(Unknown)
        .around(Traced("outer"))
        .around(Traced("inner"))
        .around(before("double", double))
        .around(after(
            "plus_100",
            |_: &mut Context, answer: Result<u32, String>| answer.map(|n| n + 100),
        ))
        .on::<Add>("add", AddHandler)
}

#[tokio::test]
async fn interceptors_run_in_the_order_of_the_list_and_change_request_and_answer() {
    let mut context = Context::default();
    assert_eq!(
        dispatcher().dispatch(&mut context, Call::Add(Add(3))).await,
        Ok(106)
    );
    assert_eq!(
        context.trace,
        ["outer", "inner", "handler", "inner", "outer"]
    );
    assert_eq!(
        dispatcher().interceptors(),
        ["outer", "inner", "double", "plus_100"]
    );
}

#[tokio::test]
async fn an_interceptor_stops_the_call() {
    let mut context = Context::default();
    let stopped = dispatcher().dispatch(&mut context, Call::Add(Add(0))).await;
    assert_eq!(stopped, Err("nothing to add".into()));
    assert_eq!(context.trace, ["outer", "inner", "inner", "outer"]);
}

/// Pitfalls 5 and 116: a name that every object of some language has is unknown here, and the
/// list keeps its order from call to call.
#[tokio::test]
async fn an_unknown_action_reaches_the_fallback_and_the_list_stays_as_it_was() {
    let dispatcher = dispatcher();
    for _ in 0..3 {
        let mut context = Context::default();
        let answer = dispatcher.dispatch(&mut context, Call::Other).await;
        assert_eq!(answer, Err("unknown constructor".into()));
        assert_eq!(context.trace, ["outer", "inner", "inner", "outer"]);
    }
}

#[test]
#[should_panic(expected = "two handlers for add")]
fn two_handlers_for_one_action_are_a_mistake_of_the_program() {
    let _ = dispatcher().on::<Add>("add", AddHandler);
}
