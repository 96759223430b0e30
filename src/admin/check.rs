//! Checks of readiness.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use async_trait::async_trait;

/// How long one check may take.
const CHECK_DEADLINE: Duration = Duration::from_millis(500);

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ok,
    /// Something is missing, and the work goes on without it.
    Degraded(String),
    /// The work can't be done.
    Failed(String),
}

/// Where a check gets its answer.
#[async_trait]
pub trait Source: Send + Sync {
    /// Looks.
    async fn health(&self) -> Health;
}

#[async_trait]
impl<F> Source for F
where
    F: Fn() -> Health + Send + Sync,
{
    async fn health(&self) -> Health {
        self()
    }
}

struct Fixed(Health);

#[async_trait]
impl Source for Fixed {
    async fn health(&self) -> Health {
        self.0.clone()
    }
}

/// One check.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    source: Arc<dyn Source>,
    /// What is told if there is no answer in time.
    late: Health,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}

impl Check {
    /// A check without which the work can't be done.
    pub fn vital(name: &'static str, source: impl Source + 'static) -> Self {
        let late = Health::Failed(no_answer());
        let source = Arc::new(source);
        Self { name, source, late }
    }

    /// A check without which the work goes on, degraded.
    pub fn helpful(name: &'static str, source: impl Source + 'static) -> Self {
        let late = Health::Degraded(no_answer());
        let source = Arc::new(source);
        Self { name, source, late }
    }

    /// A check with a fixed answer.
    pub fn fixed(name: &'static str, health: Health) -> Self {
        Self {
            name,
            late: health.clone(),
            source: Arc::new(Fixed(health)),
        }
    }

    async fn run(&self) -> (&'static str, Health) {
        let answer = clock::timeout(CHECK_DEADLINE, self.source.health());
        (
            self.name,
            answer.await.unwrap_or_else(|_| self.late.clone()),
        )
    }
}

fn no_answer() -> String {
    format!("no answer within {} ms", CHECK_DEADLINE.as_millis())
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<(&'static str, Health)>);

impl Report {
    /// Runs checks, all at once.
    pub async fn of(checks: &[Check]) -> Self {
        Self(futures_util::future::join_all(checks.iter().map(Check::run)).await)
    }

    /// Whether clients should be sent here.
    pub fn is_ready(&self) -> bool {
        !self
            .0
            .iter()
            .any(|(_, health)| matches!(health, Health::Failed(_)))
    }
}

impl fmt::Display for Report {
    /// A line a check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, health) in &self.0 {
            match health {
                Health::Ok => writeln!(f, "ok        {name}")?,
                Health::Degraded(why) => writeln!(f, "degraded  {name}: {why}")?,
                Health::Failed(why) => writeln!(f, "failed    {name}: {why}")?,
            }
        }
        Ok(())
    }
}
