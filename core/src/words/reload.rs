//! The filter and the stop words of a server, which can be read again while it runs.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use super::filter::{FilterSources, Hit, WordFilter};
use super::list::FilterError;
use super::popular::{StopWords, popular_words};

/// Where the word tools' lists come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordSources {
    /// The filter's.
    pub filter: FilterSources,
    /// Files of stop words.
    pub stop_words: Vec<PathBuf>,
    /// Whether the compiled-in stop words count too.
    pub builtin_stop_words: bool,
}

#[derive(Debug)]
struct Lists {
    filter: WordFilter,
    stop: StopWords,
}

/// The word tools with their lists. Reading lists blocks; using them doesn't.
#[derive(Debug)]
pub struct Words {
    sources: WordSources,
    lists: RwLock<Arc<Lists>>,
}

impl Words {
    /// The compiled-in lists.
    pub fn builtin() -> Self {
        let filter = FilterSources {
            builtin: true,
            ..FilterSources::default()
        };
        let sources = WordSources {
            filter,
            stop_words: Vec::new(),
            builtin_stop_words: true,
        };
        Self::load(&sources).expect("the compiled-in lists are tested")
    }

    /// Reads lists. Fails with the file and line of the first mistake.
    pub fn load(sources: &WordSources) -> Result<Self, FilterError> {
        let lists = Lists::load(sources)?;
        Ok(Self {
            sources: sources.clone(),
            lists: RwLock::new(Arc::new(lists)),
        })
    }

    /// Reads the lists again. If that fails, those in use stay in use.
    pub fn reload(&self) -> Result<(), FilterError> {
        let lists = Arc::new(Lists::load(&self.sources)?);
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
        Ok(())
    }

    /// See [`WordFilter::mask`].
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.lists().filter.mask(text)
    }

    /// See [`WordFilter::explain`].
    pub fn explain(&self, text: &str) -> Vec<Hit> {
        self.lists().filter.explain(text)
    }

    /// See [`popular_words`].
    pub fn popular_words(&self, text: &str) -> Vec<String> {
        popular_words(text, &self.lists().stop)
    }

    fn lists(&self) -> Arc<Lists> {
        self.lists
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Lists {
    fn load(sources: &WordSources) -> Result<Self, FilterError> {
        let mut stop = if sources.builtin_stop_words {
            StopWords::builtin()
        } else {
            StopWords::default()
        };
        sources
            .stop_words
            .iter()
            .try_for_each(|file| stop.extend_from(file))?;
        Ok(Self {
            filter: WordFilter::load(&sources.filter)?,
            stop,
        })
    }
}
